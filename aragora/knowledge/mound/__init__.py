"""The mound as the runbook names it; its parts are in `aragora.knowledge`."""
