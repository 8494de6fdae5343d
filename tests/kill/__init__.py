"""What is left when a process is killed."""

import pytest

# Its assertions are those of the tests that call it: they tell what they compared.
pytest.register_assert_rewrite("tests.kill.lying_cell", "tests.kill.exactly_once")
