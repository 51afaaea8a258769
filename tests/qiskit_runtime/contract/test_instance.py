"""Instances: their names, CRNs and labels."""

import re

import pytest

from qiskit_runtime.contract.resources.instance import Instance, NotAnInstance, parse_instance

VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
"""The values that Kubernetes takes for a label, of at most 63 characters."""

ODD = [
    Instance("a" * 128, "b" * 128, "c" * 128),
    Instance("a.b", "c", "d"),
    Instance("a", "b.c", "d"),
    Instance("-a", "b", "c-"),
    Instance("Grüße", "世界", "x y"),
    Instance("", "b", ""),
    Instance("a", "", ""),
    Instance("...", "---", "___"),
    Instance("\udcff", "a", "b"),
]


@pytest.mark.parametrize("instance", ODD)
def test_every_name_makes_a_label_that_kubernetes_takes(instance):
    """Hub, group and project are free texts on a server without accounts."""
    assert len(instance.label) <= 63
    assert VALUE.fullmatch(instance.label)
    assert instance.label


def test_labels_tell_instances_apart():
    """Also those whose names would be the same with dots between."""
    assert len({instance.label for instance in ODD}) == len(ODD)


def test_a_usual_name_is_its_own_label_and_no_name_is_none():
    """People select by it with kubectl."""
    assert parse_instance("ibm-q/open/main").label == "ibm-q.open.main"
    assert Instance().label == ""


def test_a_crn_follows_from_the_name():
    """It is the same on every server, and has the parts that the official client looks for."""
    one, same = parse_instance("chem/lab/vqe"), Instance("chem", "lab", "vqe")
    other = parse_instance("chem/lab/vqe2")

    assert one.crn == same.crn != other.crn
    assert one.crn.split(":")[:7] == [
        *("crn", "v1", "bluemix", "public", "quantum-computing", "us-east", "a/local"),
    ]


@pytest.mark.parametrize(
    "name", ["", "a/b", "a/b/c/d", "a//c", "a/b/ü", "a/b/c ", "a/b/" + "c" * 129]
)
def test_a_text_of_another_form_is_no_instance(name):
    """The refusal says what the form is."""
    with pytest.raises(NotAnInstance, match="hub/group/project"):
        parse_instance(name)
