import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.dosing_log.ledger.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from services.dosing_log.ledger.errors import LedgerError, MalformedError
from services.dosing_log.ledger.note import NoteSigner

ORIGIN = "kat.invalid/0190b3a0-0000-7000-8000-000000000001"
SIGNER = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
CHECKPOINT = Checkpoint(ORIGIN, 20_852_163, bytes(range(32)))
ROOT = base64.b64encode(bytes(range(32))).decode()

# The example of c2sp.org/tlog-checkpoint.
C2SP_BODY = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"


def test_the_example_of_the_specification_is_read_and_written():
    checkpoint = parse_checkpoint(C2SP_BODY)

    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert checkpoint.body() == C2SP_BODY


def test_a_signed_checkpoint_opens_under_the_key_of_its_log():
    assert open_checkpoint(sign_checkpoint(CHECKPOINT, SIGNER), SIGNER.verifier) == CHECKPOINT


def test_every_changed_byte_of_a_checkpoint_is_refused():
    note = sign_checkpoint(CHECKPOINT, SIGNER)
    for at in range(len(note)):
        for value in {note[at] ^ 1, note[at] ^ 0x80, (note[at] + 1) % 256, ord("\n"), ord("A")} - {note[at]}:
            with pytest.raises(LedgerError):
                open_checkpoint(note[:at] + bytes([value]) + note[at + 1 :], SIGNER.verifier)


def test_every_missing_doubled_or_cut_byte_of_a_checkpoint_is_refused():
    note = sign_checkpoint(CHECKPOINT, SIGNER)
    for at in range(len(note)):
        for changed in (note[:at] + note[at + 1 :], note[:at] + note[at : at + 1] + note[at:], note[:at]):
            if changed != note:
                with pytest.raises(LedgerError):
                    open_checkpoint(changed, SIGNER.verifier)


@pytest.mark.parametrize("size", ["", "00", "01", "+5", "-1", "1_0", " 1", "1 ", "1.0", "0x1", "٣", "9" * 19, "1" * 20])
def test_a_size_has_one_spelling(size):
    with pytest.raises(MalformedError):
        parse_checkpoint(f"{ORIGIN}\n{size}\n{ROOT}\n")


@pytest.mark.parametrize(
    "body",
    [
        f"{ORIGIN}\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"two words\n1\n{ROOT}\n",
        f"{ORIGIN}\n1\n{ROOT[:-1]}\n",
        f"{ORIGIN}\n1\n{ROOT[:-2]}9=\n",  # other spelling of the same bytes
        f"{ORIGIN}\n1\n{ROOT[:-4]}\n",
        f"{ORIGIN}\n1\n{ROOT}\nextension\n",
        f"{ORIGIN}\n1\n{ROOT}\n\n",
        f"{ORIGIN}\r\n1\r\n{ROOT}\r\n",
    ],
)
def test_a_body_has_exactly_three_lines_in_exact_form(body):
    with pytest.raises(MalformedError):
        parse_checkpoint(body)


def test_sizes_from_zero_to_the_largest_are_read():
    for size in (0, 1, 2**63 - 1):
        assert parse_checkpoint(f"{ORIGIN}\n{size}\n{ROOT}\n").size == size


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("", 1, bytes(32)),
        Checkpoint("a\nb", 1, bytes(32)),
        Checkpoint(ORIGIN, -1, bytes(32)),
        Checkpoint(ORIGIN, 2**63, bytes(32)),
        Checkpoint(ORIGIN, 1, bytes(31)),
    ],
)
def test_a_head_that_has_no_exact_form_is_not_written(checkpoint):
    with pytest.raises(MalformedError):
        checkpoint.body()


def test_a_key_signs_and_opens_the_log_it_is_named_after_alone():
    other = Checkpoint("kat.invalid/other", 1, bytes(32))

    with pytest.raises(MalformedError, match="must bear its name"):
        sign_checkpoint(other, SIGNER)
    with pytest.raises(MalformedError, match="is of log"):
        open_checkpoint(SIGNER.sign(other.body()), SIGNER.verifier)
