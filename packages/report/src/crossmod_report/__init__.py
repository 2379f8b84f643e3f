"""Curves, retrieval sheets and a static HTML page for one training run, from the standard library alone."""

from crossmod_report.bars import bar_chart, rank_histogram
from crossmod_report.blocks import Code, Facts, Figures, Notices
from crossmod_report.curves import line_chart
from crossmod_report.exhibit import Exhibit, html_exhibit
from crossmod_report.foreign_svg import sanitised_svg
from crossmod_report.heat import heat_map
from crossmod_report.markup import Markup, Svg
from crossmod_report.metrics_log import MetricsLog, read_metrics
from crossmod_report.page import Page, Section, render_page, write_page, write_svg
from crossmod_report.retrieval_sheet import (
    Answer,
    RetrievalSheet,
    Retrieved,
    html_retrieval_sheet,
    retrieval_sheet,
)
from crossmod_report.run_curves import run_curves
from crossmod_report.run_page import RunRecord, metric_warnings, run_report
from crossmod_report.tables import Column, Estimate, Row, Table, html_table, markdown_table, text_table

__all__ = [
    "Answer",
    "Code",
    "Column",
    "Estimate",
    "Exhibit",
    "Facts",
    "Figures",
    "Markup",
    "MetricsLog",
    "Notices",
    "Page",
    "RetrievalSheet",
    "Retrieved",
    "Row",
    "RunRecord",
    "Section",
    "Svg",
    "Table",
    "bar_chart",
    "heat_map",
    "html_exhibit",
    "html_retrieval_sheet",
    "html_table",
    "line_chart",
    "markdown_table",
    "metric_warnings",
    "rank_histogram",
    "read_metrics",
    "render_page",
    "retrieval_sheet",
    "run_curves",
    "run_report",
    "sanitised_svg",
    "text_table",
    "write_page",
    "write_svg",
]
