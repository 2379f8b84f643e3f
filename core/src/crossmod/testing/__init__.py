"""For tests of domains: conformance classes to subclass, and a tiny domain to try core on."""
