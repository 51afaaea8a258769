"""The plugins of Qiskit's transpiler, each loaded when it is asked for by name.

The program process uses them. Qiskit's first transpile imports every stage plugin that is
installed, also those that nobody asked for: those of qiskit-ibm-runtime take 1.2 s of a processor
and 1,700 modules, twice as much as Qiskit and Aer themselves.
"""

from functools import cached_property
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

from qiskit.transpiler.passes.synthesis import plugin as synthesis
from qiskit.transpiler.preset_passmanagers import plugin as stages
from stevedore.extension import Extension, ExtensionManager


def load_on_demand() -> None:
    """Have this process load a plugin of the transpiler when it is asked for by name.

    One that can't be loaded is then an error of who asked for it.
    """
    # Qiskit makes a manager for each kind of plugin, by ``stevedore.ExtensionManager(...)``.
    on_demand = SimpleNamespace(ExtensionManager=_ManagerOnDemand)
    stages.stevedore = synthesis.stevedore = on_demand
    # From here on it is known which plugins are installed. To find them later would take a job
    # 20 ms, and stevedore would leave a file in the user's cache for each program's folder.
    for make in (
        stages.PassManagerStagePluginManager,
        synthesis.HighLevelSynthesisPluginManager,
        synthesis.UnitarySynthesisPluginManager,
    ):
        make()


class _PluginOnDemand(Extension[Any]):
    """A plugin that is imported, and made, at its first use."""

    def __init__(self, entry_point: EntryPoint) -> None:
        self.name, self.entry_point = entry_point.name, entry_point

    @cached_property
    def plugin(self) -> Any:  # type: ignore[override]  # an attribute in the base class
        """The class of the plugin."""
        return self.entry_point.load()

    @cached_property
    def obj(self) -> Any:  # type: ignore[override]  # an attribute in the base class
        """The plugin itself."""
        return self.plugin()


class _ManagerOnDemand(ExtensionManager[Any]):
    """A manager of the plugins of a kind that loads none of them by itself."""

    def _load_one_plugin(self, ep: EntryPoint, *_: Any) -> Extension[Any]:
        return _PluginOnDemand(ep)
