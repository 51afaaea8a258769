"""What circuits are transpiled for: any Clifford on a stabilizer, dynamic circuits on devices."""

from tests.programs.drawn import EXAMPLE_SEEDS  # noqa: F401
