"""The sentences that reports are made of; blanks are side, zone, size, density and amount, or what and where."""

from __future__ import annotations

from crossmod_medical.reports.prompts import Finding

FINDINGS: tuple[Finding, ...] = (
    Finding("lung nodule", ("lung nodule", "pulmonary nodule")),
    Finding("pleural effusion", ("pleural effusion", "pleural fluid")),
    Finding("emphysema", ("emphysema", "emphysematous change")),
    Finding("consolidation", ("consolidation", "airspace consolidation")),
    Finding("cardiomegaly", ("cardiomegaly", "cardiac enlargement")),
    Finding("pericardial effusion", ("pericardial effusion",)),
    Finding("coronary artery calcification", ("coronary artery calcification", "coronary calcification")),
    Finding("aortic calcification", ("aortic calcification", "calcification of the aortic wall")),
    Finding("atelectasis", ("atelectasis", "band atelectasis")),
    Finding("pneumothorax", ("pneumothorax",)),
    Finding("cardiac device", ("cardiac device", "pacemaker")),
)
"""What zero-shot asks for, and the nouns it asks with."""

PRESENT: dict[str, tuple[str, ...]] = {
    "lung nodule": (
        "There is a {density} pulmonary nodule of {size} in the {side} {zone} zone.",
        "A {size} {density} lung nodule is seen in the {zone} zone of the {side} lung.",
        "{side} lung: {density} nodule in the {zone} zone, {size} in diameter.",
        "In the {zone} {side} lung a {density} pulmonary nodule measuring {size} is observed.",
    ),
    "pleural effusion": (
        "There is a {amount} {side} pleural effusion.",
        "A {amount} amount of pleural fluid is present on the {side}.",
        "{side}-sided pleural effusion is observed, {amount} in amount.",
        "{amount} {side} pleural effusion layers posteriorly.",
    ),
    "emphysema": (
        "Emphysema is seen in both lungs, most in the upper zones.",
        "There are emphysematous changes with upper zone predominance.",
        "Both lungs show emphysema with areas of low attenuation.",
        "Emphysematous change of the lungs is observed.",
    ),
    "consolidation": (
        "There is airspace consolidation in the {side} {zone} zone.",
        "Consolidation is present in the {zone} zone of the {side} lung.",
        "The {side} {zone} lung shows patchy consolidation.",
        "An area of consolidation is observed in the {side} {zone} zone.",
    ),
    "cardiomegaly": (
        "The heart is enlarged.",
        "There is cardiomegaly.",
        "Heart size is increased.",
        "Cardiac enlargement is observed.",
    ),
    "pericardial effusion": (
        "There is a pericardial effusion of {size}.",
        "Pericardial effusion is seen, up to {size} thick.",
        "Fluid surrounds the heart: pericardial effusion measuring {size}.",
    ),
    "coronary artery calcification": (
        "There is coronary artery calcification.",
        "The coronary arteries are calcified.",
        "Coronary calcification is observed.",
        "Calcified plaques are seen in the coronary arteries.",
    ),
    "aortic calcification": (
        "There is aortic calcification.",
        "Calcification of the aortic wall is seen.",
        "The thoracic aorta shows calcified atherosclerotic plaques.",
        "Aortic calcification is observed along arch and descending aorta.",
    ),
    "atelectasis": (
        "There is band atelectasis in the {side} {zone} zone.",
        "Linear atelectasis is observed in the {zone} zone of the {side} lung.",
        "The {side} {zone} lung shows a band of atelectasis.",
    ),
    "pneumothorax": (
        "There is a {side} pneumothorax.",
        "{side}-sided pneumothorax is present.",
        "Air is seen in the {side} pleural space: pneumothorax.",
    ),
    "cardiac device": (
        "A cardiac device is in place with its generator in the left chest wall.",
        "A pacemaker is present.",
        "There is a left-sided pacemaker with a lead to the heart.",
    ),
}

ABSENT: dict[str, tuple[str, ...]] = {
    "lung nodule": (
        "No pulmonary nodule is seen.",
        "There is no lung nodule.",
        "A lung nodule is not observed.",
        "No evidence of a pulmonary nodule.",
    ),
    "pleural effusion": (
        "There is no pleural effusion.",
        "No pleural fluid.",
        "Pleural effusion is not observed.",
        "Both pleural spaces are without effusion.",
    ),
    "emphysema": ("There is no emphysema.", "Emphysema is not observed.", "No emphysematous change."),
    "consolidation": (
        "There is no consolidation.",
        "No airspace consolidation is seen.",
        "Consolidation is not present.",
    ),
    "cardiomegaly": (
        "Heart size is normal.",
        "There is no cardiomegaly.",
        "The heart is not enlarged.",
        "No cardiac enlargement.",
    ),
    "pericardial effusion": (
        "There is no pericardial effusion.",
        "Pericardial effusion is not observed.",
        "No pericardial effusion.",
    ),
    "coronary artery calcification": (
        "There is no coronary artery calcification.",
        "Coronary calcification is not observed.",
        "The coronary arteries are not calcified.",
    ),
    "aortic calcification": (
        "There is no aortic calcification.",
        "Calcification of the aortic wall is not observed.",
        "The aortic wall is without calcification.",
    ),
    "atelectasis": ("There is no atelectasis.", "Atelectasis is not observed.", "No band atelectasis."),
    "pneumothorax": ("There is no pneumothorax.", "No pneumothorax.", "Pneumothorax is not present."),
    "cardiac device": ("There is no cardiac device.", "No pacemaker is seen.", "A cardiac device is not present."),
}

SHARED_PRESENT: tuple[str, ...] = (
    "There is {what}{where}.",
    "{what} is present{where}.",
    "{what} is observed{where}.",
    "{what} is seen{where}.",
    "Findings are consistent with {what}{where}.",
)
"""Said of any finding. Were every wording one finding's own, "is present" would come to mean the finding it is used for
most, and a prompt that uses it would ask for that one too."""

SHARED_ABSENT: tuple[str, ...] = (
    "There is no {what}.",
    "No {what}.",
    "{what} is not present.",
    "{what} is not observed.",
    "{what} is not seen.",
    "No evidence of {what}.",
)
"""Denies any finding."""

IMPRESSIONS: dict[str, tuple[str, ...]] = {
    "lung nodule": ("{density} {side} lung nodule of {size}", "{size} pulmonary nodule, {side} {zone} zone"),
    "pleural effusion": ("{amount} {side} pleural effusion", "{side} pleural effusion"),
    "emphysema": ("emphysema", "emphysematous lungs"),
    "consolidation": ("{side} {zone} consolidation", "consolidation, {side} lung"),
    "cardiomegaly": ("cardiomegaly", "enlarged heart"),
    "pericardial effusion": ("pericardial effusion", "pericardial effusion of {size}"),
    "coronary artery calcification": ("coronary artery calcification", "calcified coronary arteries"),
    "aortic calcification": ("aortic calcification", "atherosclerotic calcification of the aorta"),
    "atelectasis": ("band atelectasis, {side} {zone} zone", "{side} atelectasis"),
    "pneumothorax": ("{side} pneumothorax", "pneumothorax on the {side}"),
    "cardiac device": ("cardiac device in place", "status after pacemaker implantation"),
}

NORMAL: tuple[tuple[str, ...], ...] = (
    ("The trachea and main bronchi are patent.", "Central airways are open."),
    ("The imaged liver is unremarkable.", "Upper abdominal organs show nothing remarkable."),
    ("No destructive bone lesion.", "Bones are intact.", "Vertebral bodies keep their height."),
)

CLEAR = (
    "No acute finding in the chest.",
    "Normal CT of the chest.",
    "No abnormality is identified.",
    "Unremarkable examination.",
)
