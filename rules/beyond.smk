"""The studies that no claim of the paper is about, such as those of studies/beyond.yaml. `all` has them too."""


def beyond_files(wildcards) -> list[str]:
    """Return the figures of these studies, what their trackers cost, and the verdicts on the claims about them."""
    studies = [study for study in PLAN.curves if category(study) == BEYOND]
    if not studies:
        refuse(["studies: all are the paper's; lay studies/beyond.yaml over the config by --configfile"])
    drawn = expand(
        "results/{what}/{study}.{format}", what=["figures", "costs"], study=studies, format=FORMATS
    )
    return drawn + claims_files()
