"""The books: every aggregate of the ledger, inside one transaction."""

from __future__ import annotations

from decimal import Decimal

from data.store.acceptances import Acceptances
from data.store.accounts import Accounts
from data.store.activity import Activities
from data.store.alerts import Alerts
from data.store.approvals import Approvals
from data.store.deliveries import Deliveries
from data.store.discrepancies import Discrepancies
from data.store.emergencies import Emergencies
from data.store.equity import Equity
from data.store.fills import Fills
from data.store.instruments import Instruments
from data.store.live_trading import LiveTrading
from data.store.locks import Locks
from data.store.marks import Marks
from data.store.orders import Orders
from data.store.positions import Positions
from data.store.quality import Quality
from data.store.regime_models import RegimeModels
from data.store.regimes import Regimes
from data.store.risk_decisions import RiskDecisions
from data.store.run_processes import RunProcesses
from data.store.runs import Runs
from data.store.session import Session
from data.store.signals import Signals
from data.store.simulated_accounts import SimulatedRows
from data.store.stages import Stages
from data.store.trading_state import TradingStates
from data.store.transfers import Transfers
from data.store.triggers import Triggers
from execution.model.identifiers import AccountId


class Books:
    """What `Ledger.transaction()` and `Ledger.reading()` hand out; worthless after them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.runs = Runs(session)
        self.run_processes = RunProcesses(session)
        self.stages = Stages(session)
        self.quality = Quality(session)
        self.regimes = Regimes(session)
        self.regime_models = RegimeModels(session)
        self.signals = Signals(session)
        self.risk_decisions = RiskDecisions(session)
        self.approvals = Approvals(session)
        self.orders = Orders(session)
        self.triggers = Triggers(session)
        self.positions = Positions(session)
        self.fills = Fills(session, self.orders, self.positions)
        self.accounts = Accounts(session)
        self.transfers = Transfers(session)
        self.equity = Equity(session)
        self.marks = Marks(session)
        self.discrepancies = Discrepancies(session)
        self.acceptances = Acceptances(session)
        self.trading_state = TradingStates(session)
        self.locks = Locks(session)
        self.activity = Activities(session)
        self.live_trading = LiveTrading(session)
        self.emergencies = Emergencies(session)
        self.instruments = Instruments(session)
        self.alerts = Alerts(session)
        self.deliveries = Deliveries(session)
        self.simulated = SimulatedRows(session)

    def cash(self, account: AccountId) -> dict[str, Decimal]:
        """Money by currency, folded from transfers and fills."""
        return self.transfers.cash(account)
