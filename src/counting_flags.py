"""The flags that the scripts share which count operations: the sequence, the lookbacks, and the table."""

from command_line import ArgumentParser, int_at_least, output_file, positive_int


def add_counting_flags(parser: ArgumentParser) -> None:
    """Add --particles, --frames, --lookbacks and --output."""
    add = parser.add_argument
    add("--particles", type=positive_int, required=True, metavar="N", help="particles, and so tracks")
    add("--frames", type=int_at_least(2), required=True, metavar="T", help="frames of a sequence")
    add(
        "--lookbacks",
        type=positive_int,
        nargs="+",
        required=True,
        metavar="K",
        help="in frames: K_MHT, or K_E = K_D",
    )
    add("--output", type=output_file, required=True, metavar="F", help="the table of operations")
