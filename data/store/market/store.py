"""The market store: one DuckDB file beside the ledger, under the same discipline."""

from __future__ import annotations

import duckdb

from data.store.connection import Store
from data.store.market.bars import BarRows
from data.store.market.chunks import Chunks
from data.store.market.downloads import Downloads
from data.store.market.factors import FactorRows
from data.store.market.frames import Frames
from data.store.market.gaps import Gaps
from data.store.market.leads import Leads
from data.store.market.series import SeriesRows
from data.store.migrate import Schema

MARKET = Schema(
    noun="market store",
    package="data.store.market",
    made_by="regent bars download",
    advice="; all in it can be fetched again: if it is damaged, delete the file and download anew",
)


class Archive:
    """What `MarketStore.transaction()` and `.reading()` hand out; worthless after them."""

    def __init__(self, session: Frames) -> None:
        self.session = session
        self.series = SeriesRows(session)
        self.chunks = Chunks(session)
        self.bars = BarRows(session, self.chunks)
        self.gaps = Gaps(session)
        self.leads = Leads(session)
        self.downloads = Downloads(session)
        self.factors = FactorRows(session)


class MarketStore(Store[Archive]):
    """Bars that were fetched; a transaction is never held while a source is asked."""

    schema = MARKET

    def _content(self, con: duckdb.DuckDBPyConnection) -> Archive:
        return Archive(Frames(con))
