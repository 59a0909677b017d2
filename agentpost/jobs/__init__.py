"""Work that waits: one module for each kind of job, and the runner that runs them.

``WORKS`` is the register: the module of every kind of job, by the kind.  The composition root
makes each work with what it needs and hands them to the runner.
"""

from __future__ import annotations

from agentpost.jobs.bounce import BounceWork
from agentpost.jobs.export import ExportWork
from agentpost.jobs.inbound import InboundWork
from agentpost.jobs.indexing import IndexingWork
from agentpost.jobs.leases import LeasesWork
from agentpost.jobs.relay import RelayWork
from agentpost.jobs.release import ReleaseWork
from agentpost.jobs.report import ReportWork
from agentpost.jobs.seal import SealWork
from agentpost.jobs.sweep import SweepWork
from agentpost.jobs.tally import TallyWork
from agentpost.jobs.verify import VerifyWork
from agentpost.jobs.webhook import WebhookWork

WORKS: dict[str, type] = {
    BounceWork.kind: BounceWork,
    ExportWork.kind: ExportWork,
    InboundWork.kind: InboundWork,
    IndexingWork.kind: IndexingWork,
    LeasesWork.kind: LeasesWork,
    RelayWork.kind: RelayWork,
    ReleaseWork.kind: ReleaseWork,
    ReportWork.kind: ReportWork,
    SealWork.kind: SealWork,
    SweepWork.kind: SweepWork,
    TallyWork.kind: TallyWork,
    VerifyWork.kind: VerifyWork,
    WebhookWork.kind: WebhookWork,
}
