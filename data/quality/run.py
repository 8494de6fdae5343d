"""Great Expectations over our expectations: it counts what is not met, and documents it.

Each of ours gives what is wrong by row. That becomes a column beside the table, empty where
nothing is wrong, and the expectation is that it is empty: so there is one truth, and what
Great Expectations shows of a fault is the sentence that names its row, column, value and rule.
It takes five seconds to import, and is imported by nobody else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from data.quality.expectation import Found
from data.quality.rules import Severity
from execution.errors import InvariantBroken

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.data_context.data_context.ephemeral_data_context import (
        EphemeralDataContext,
    )

LISTED_MAX = 20  # of the faults that a page shows

# Its word for each of ours.
SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "warning"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One table as Great Expectations judged it."""

    suite: str  # bars, or a table of the books
    found: Sequence[Found[Any]]
    validation: ExpectationSuiteValidationResult

    @property
    def subject(self) -> str:
        """What the table is of."""
        return str(self.found[0].sample.subject)


def context() -> EphemeralDataContext:
    """One in memory: it reads no settings, writes no file and tells nobody."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
    )
    made: EphemeralDataContext = gx.get_context(mode="ephemeral", project_config=config)
    return made


def run(gx: EphemeralDataContext, suite: str, found: Sequence[Found[Any]]) -> Judged:
    """Validate one table; raises InvariantBroken if its count is not ours."""
    from great_expectations import ExpectationSuite, ValidationDefinition
    from great_expectations.expectations.core.expect_column_values_to_be_null import (
        ExpectColumnValuesToBeNull,
    )
    from great_expectations.expectations.metadata_types import FailureSeverity

    subject = file_name(found[0].sample.subject)
    data = gx.data_sources.add_pandas(f"{suite} {subject}").add_dataframe_asset(subject)
    expectations = [
        ExpectColumnValuesToBeNull(
            column=f.expectation.name,
            severity=FailureSeverity(SEVERITIES[f.expectation.severity_by(f.rules)]),
            description=f"{f.expectation.severity_by(f.rules)}: {f.expectation.column}: "
            f"{f.expectation.told(f.rules)}. {f.expectation.summary}",
        )
        for f in found
    ]
    validation = ValidationDefinition(
        name=f"{suite} {subject}",
        data=data.add_batch_definition_whole_dataframe("whole"),
        suite=gx.suites.add(ExpectationSuite(name=f"{suite} {subject}", expectations=expectations)),
    )
    result = gx.validation_definitions.add(validation).run(
        batch_parameters={"dataframe": with_faults(found)},
        result_format={"result_format": "SUMMARY", "partial_unexpected_count": LISTED_MAX},
    )
    _same_counts(found, result)
    return Judged(suite=suite, found=found, validation=result)


def with_faults(found: Sequence[Found[Any]]) -> pd.DataFrame:
    """The table with a column an expectation: what is wrong with each row, or None."""
    table = found[0].sample.table.reset_index(drop=True)
    rows = max(1, len(table)) if any(len(f.offending) for f in found) else len(table)
    faults = {}
    for f in found:
        column = np.full(rows, None, dtype=object)
        for row, told in f.told():
            at = max(0, row)  # what is wrong with the whole is told at its first row
            text = escape(told)  # Great Expectations puts it into its pages as it is
            column[at] = text if column[at] is None else f"{column[at]}; {text}"
        faults[f.expectation.name] = column
    return pd.DataFrame(faults).join(table.add_prefix("· "))


def file_name(text: str) -> str:
    """A name that is plain in a file, a link and a page: BTC-USD for BTC/USD."""
    return re.sub(r"[^\w.+-]", "-", text)


def _same_counts(found: Sequence[Found[Any]], result: ExpectationSuiteValidationResult) -> None:
    theirs = {
        r.expectation_config.kwargs["column"]: r.result
        for r in result.results
        if r.expectation_config is not None
    }
    for f in found:
        ours = f.offending.index.unique().map(lambda row: max(0, row)).nunique()
        count = theirs[f.expectation.name].get("unexpected_count", 0 if ours == 0 else None)
        if count != ours:
            raise InvariantBroken(f"{f.expectation.name}: {ours} rows here, {count} counted")
