"""The instances of an account, as the official client finds them: a search, and a catalog of plans.

With ``GLOBAL_SEARCH_URL`` and ``GLOBAL_CATALOG_URL`` it asks here, and instances can then be chosen
by name, plan, tag or region. An instance's name is hub/group/project, its plan is its group, and
its tags are the three.
"""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel

from api.bodies import CheckedRoute
from api.dependencies import CallerDep
from api.errors import ANYWHERE, WITH_BODY, describe
from qiskit_runtime.contract.resources.instance import DEFAULT_INSTANCE, REGION, Instance

CATALOG = "/globalcatalog/v1"
"""The path of the catalog."""

router = APIRouter(
    tags=["qiskit-ibm-runtime"],
    route_class=CheckedRoute,
    responses=describe(*ANYWHERE),
    strict_content_type=False,
)


class SearchRequest(BaseModel):
    """The body of a search. All instances of the caller are found, whatever it looks for."""

    query: str = ""
    search_cursor: str | None = None


class InstanceDocument(BaseModel):
    """An instance that was found."""

    crn: str
    name: str
    service_plan_unique_id: str
    region: str = REGION
    tags: list[str]
    doc: dict[str, dict[str, str]]

    @classmethod
    def from_instance(cls, instance: Instance) -> "InstanceDocument":
        """Return an instance's form; its plan's id is its plan's name."""
        parts = (instance.hub, instance.group, instance.project)
        return cls(
            crn=instance.crn,
            name=instance.name,
            service_plan_unique_id=instance.group,
            tags=[part.lower() for part in parts],
            # The client leaves out what has no allocation.
            doc={"extensions": {"plan": instance.group}},
        )


class SearchAnswer(BaseModel):
    """All that was found; there is no further page."""

    items: list[InstanceDocument]
    limit: int


class PlanDocument(BaseModel):
    """A plan of the catalog, as far as the client reads it."""

    id: str
    name: str
    overview_ui: dict[str, dict[str, str]]
    metadata: dict[str, dict[str, str]]


@router.post("/v3/resources/search", responses=describe(*WITH_BODY))
async def search(caller: CallerDep, _: SearchRequest | None = None) -> SearchAnswer:
    """List the instances that the caller may use."""
    instances = (DEFAULT_INSTANCE,) if caller.instances is None else caller.instances
    found = [InstanceDocument.from_instance(instance) for instance in instances]
    return SearchAnswer(items=found, limit=len(found))


@router.get(f"{CATALOG}/{{plan}}")
async def get_plan(plan: Annotated[str, Path(max_length=128)]) -> PlanDocument:
    """Return a plan: nothing costs anything here."""
    return PlanDocument(
        id=plan,
        name=plan,
        overview_ui={"en": {"display_name": plan}},
        metadata={"pricing": {"type": "free"}},
    )
