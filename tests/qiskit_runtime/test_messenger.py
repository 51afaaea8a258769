"""The messenger: messages of a program, refusals, and warnings of failed simulations."""

import json
import os

import pytest
from qiskit import QuantumCircuit
from qiskit_aer import AerSimulator

from qiskit_runtime.messenger import PublishError, UserMessenger, find_failed_results


class Sent:
    """Keeps what a messenger sends."""

    def __init__(self):
        self.messages = []
        self.error = None

    def __call__(self, text, final):
        if self.error:
            raise self.error
        self.messages.append((text, final))


def test_published_messages_are_sent_as_json_in_order():
    """Each message is encoded at once and sent with whether it is final."""
    sent = Sent()
    messenger = UserMessenger(sent)
    messenger.publish({"a": 1})
    messenger.publish([2], final=True)
    assert sent.messages == [('{"a": 1}', False), ("[2]", True)] and messenger.has_final


@pytest.mark.parametrize("final", [False, True])
def test_publish_after_the_final_raises(final):
    """The first final result is the last message."""
    sent = Sent()
    messenger = UserMessenger(sent)
    messenger.publish(1, final=True)
    with pytest.raises(PublishError, match="already published"):
        messenger.publish(2, final=final)
    assert sent.messages == [("1", True)]


def test_refused_final_leaves_room_for_another():
    """A final result that could not be sent was not published."""
    sent = Sent()
    messenger = UserMessenger(sent)
    sent.error = ValueError("too large")
    with pytest.raises(ValueError, match="too large"):
        messenger.publish(1, final=True)
    sent.error = None
    messenger.publish(2, final=True)
    assert sent.messages == [("2", True)]


def test_message_that_can_not_be_encoded_sends_nothing():
    """An encoder's error is the program's to see."""
    sent = Sent()
    with pytest.raises(TypeError):
        UserMessenger(sent).publish({"a": b"bytes"})
    assert sent.messages == []


@pytest.mark.parametrize(
    ("publish", "what"),
    [
        (lambda messenger, value: messenger.publish(value), "the message"),
        (lambda messenger, value: messenger.publish(value, final=True), "the final result"),
        (lambda messenger, value: messenger.publish_returned(value), "the returned value"),
    ],
)
def test_error_of_the_encoder_says_what_it_was(publish, what):
    """A value without a JSON form is named with what it was: a message, or what main returned."""
    circle = []
    circle.append(circle)
    with pytest.raises(TypeError, match=f"^{what}: bytes is not JSON serializable"):
        publish(UserMessenger(Sent()), b"bytes")
    with pytest.raises(ValueError, match=f"^{what}: Circular reference"):
        publish(UserMessenger(Sent()), circle)


def test_error_of_a_values_own_is_left_as_it_is():
    """An exception of a program's to_json stays the program's own."""

    class Own(TypeError):
        pass

    class Value:
        def to_json(self):
            raise Own("mine")

    with pytest.raises(Own, match="^mine$"):
        UserMessenger(Sent()).publish(Value())


def test_returned_value_is_published_where_nothing_was():
    """The value that main returned is the result; None is not, and a published result wins."""
    sent = Sent()
    messenger = UserMessenger(sent)
    messenger.publish_returned(None)
    messenger.publish_returned(1)
    messenger.publish_returned(2)
    assert sent.messages == [("1", True)]


def test_own_encoder_is_used():
    """A program may bring the encoder of its messages."""

    class Encoder(json.JSONEncoder):
        def default(self, o):
            return type(o).__name__

    sent = Sent()
    UserMessenger(sent).publish(object(), encoder=Encoder)
    assert sent.messages == [('"object"', False)]


def test_publish_from_a_forked_process_raises():
    """A fork shares the channel and must not write to it."""
    sent = Sent()
    messenger = UserMessenger(sent)
    messenger._process = os.getppid()
    with pytest.raises(PublishError, match="fork"):
        messenger.publish(1)
    assert sent.messages == []


def test_messenger_made_by_hand_prints(capsys):
    """Without a server a program's messages are shown."""
    UserMessenger().publish({"a": [1]})
    assert capsys.readouterr().out == '{"a": [1]}\n'


@pytest.fixture(scope="module")
def failed():
    """A result of two circuits, of which Aer's stabilizer method refused the second."""
    good = QuantumCircuit(1, name="good")
    good.measure_all()
    tee = QuantumCircuit(1, name="tee")
    tee.t(0)
    tee.measure_all()
    return AerSimulator(method="stabilizer").run([good, tee]).result()


@pytest.mark.parametrize(
    ("wrap", "place"),
    [
        (lambda result: result, ""),
        (lambda result: [1, result], ", at [1],"),
        (lambda result: {"a": {"b": (result,)}}, ", at ['a']['b'][0],"),
        (lambda result: {"dict": result.to_dict()}, ", at ['dict'],"),
    ],
)
def test_failed_result_is_found(failed, wrap, place):
    """The sentence has the place, Aer's status, and the first experiment that failed."""
    [sentence] = find_failed_results(wrap(failed))

    assert sentence.startswith(f"the final result{place} is of a simulation that failed: PARTIAL")
    assert "; experiment 1: ERROR: Circuit tee contains invalid instructions" in sentence


def test_other_values_are_none(failed):
    """Results that succeeded, and what only looks like one, have no sentence."""
    good = QuantumCircuit(1)
    good.measure_all()
    result = AerSimulator().run(good).result()
    circle = []
    circle.append(circle)

    for message in (result, [result.to_dict()], {"success": False}, "success", None, circle):
        assert find_failed_results(message) == []
    assert len(find_failed_results([failed, result, failed.to_dict()])) == 2
