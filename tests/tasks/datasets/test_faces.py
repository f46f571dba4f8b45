"""Persons to be forgotten: the synthetic faces, and whether features still identify a forgotten person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.datasets.dataset import Dataset
from tasks.datasets.own.image_folder import load_image_folder
from tasks.datasets.synthetic_faces import TRAITS, make_faces, share_traits, write_faces
from tasks.errors import InvalidValue
from tasks.evaluation.outputs import Evaluation, Outputs
from tasks.evaluation.references import ReferenceOutputs
from tasks.evaluation.traits.verification import (
    cosine_similarities,
    verification_auc,
    verification_leakage,
    verify_halves,
)
from tasks.references import outputs_key, use_references
from tasks.roles import ORIGINAL, RETRAINED
from tasks.task import Task
from tasks.trial import baseline_point, reference_point
from tasks.workbench import Workbench

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def faces() -> Dataset:
    """Few and small ones."""
    return make_faces(6, side=16)


def test_the_same_arguments_give_the_same_faces_and_others_do_not(faces: Dataset) -> None:
    assert make_faces(6, side=16).fingerprint == faces.fingerprint
    assert make_faces(6, side=16, seed=1).fingerprint != faces.fingerprint
    assert make_faces(6, side=16, entanglement=1.0).fingerprint != faces.fingerprint
    assert faces.train.images.shape == (120, 3, 16, 16)
    assert np.bincount(faces.held_out.labels).tolist() == [12] * 6


def test_the_second_of_a_pair_takes_half_of_its_traits_from_the_first() -> None:
    own = np.random.default_rng(0).random((5, len(TRAITS)))
    strangers, twins, halfway = (share_traits(own, e) for e in (0.0, 1.0, 0.5))
    assert np.array_equal(strangers, own)
    assert (twins[1] == twins[0]).tolist() == [True, False] * 4
    assert np.array_equal(twins[[0, 2, 4]], own[[0, 2, 4]]), (
        "the first ones stay, and who has no partner"
    )
    assert halfway[3, 2] == pytest.approx((own[3, 2] + own[2, 2]) / 2)


@pytest.mark.parametrize("wrong", [{"persons": 1}, {"entanglement": 1.5}, {"side": 4}])
def test_arguments_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValue, match=f"{next(iter(wrong))}=.* is out of range"):
        make_faces(**wrong)  # type: ignore[arg-type]


def test_a_folder_of_persons_gives_the_same_data(
    faces: Dataset, tmp_path: Path, machine_cache: Path
) -> None:
    write_faces(tmp_path / "people", faces)
    read = load_image_folder(tmp_path / "people")
    assert read.fingerprint == faces.fingerprint
    assert read.classes == faces.classes
    task = Task.named("folder-identity:p01+p04")
    task.load(tmp_path / "people")
    assert task.forgotten.mask(read).sum() == 40


def seen(kin: list[int], features: np.ndarray) -> Outputs:
    """Outputs of images that all have one label, of these persons, with these features."""
    count = len(kin)
    return Outputs(
        np.zeros((count, 2), np.float32),
        np.zeros(count, np.int64),
        kin=np.array(kin),
        features=features,
    )


def at(angles: np.ndarray) -> np.ndarray:
    """Features in the plane, of different lengths."""
    lengths = 1 + np.arange(len(angles))[:, None] % 3
    return (lengths * np.stack([np.cos(angles), np.sin(angles)], 1)).astype(np.float32)


def evaluated(near: float, far: float, **more: object) -> Evaluation:
    """A forgotten person at angle 0; held-out images of the same at up to `near`, of others at up to `far`."""
    even = (np.arange(400) + 0.5) / 400
    probes = seen([7] * 400 + [3] * 400, at(np.concatenate([near * even, far * even])))
    gallery = seen([7] * 20, at(np.zeros(20)))
    whole = {"retain": gallery, "forget": gallery, "validation": probes, "test": probes}
    return Evaluation(**whole, forgotten_classes=(), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("near", "far"), [(1.0, 2.0), (0.5, 3.0), (1.0, 1.0)])
def test_the_area_is_that_of_two_uniform_angles(near: float, far: float) -> None:
    """P(θ < φ) = 1 − a / 2b for θ uniform in (0, a), φ in (0, b), a ≤ b: a larger angle is a smaller cosine."""
    area = verification_auc(evaluated(near, far))
    assert area == pytest.approx(1 - near / (2 * far), abs=3e-3)


def test_features_that_say_nothing_give_a_half_and_zeros_no_number_that_is_none() -> None:
    flat = evaluated(1.0, 1.0)
    blind = replace(flat, forget=seen([7] * 20, np.zeros((20, 2))))
    assert verification_auc(blind) == 0.5
    assert np.isfinite(cosine_similarities(np.zeros((1, 2)), np.ones((3, 2)))).all()


def test_leakage_is_what_lies_above_the_references() -> None:
    none = np.zeros((2, 1, 2))
    areas = np.array([[0.5, 0.6], [0.5, 0.8]])
    references = ReferenceOutputs(none, none, none, none, verification=areas)
    own = 1 - 1.0 / 4
    found = verification_leakage(evaluated(1.0, 2.0, references=references))
    assert found == pytest.approx(own - 0.7, abs=3e-3)
    first = verification_leakage(evaluated(1.0, 2.0, references=references, reference=0))
    assert first == pytest.approx(own - 0.8, abs=3e-3), "a reference is held against the others"


def test_it_is_undefined_without_persons() -> None:
    plain = Outputs(np.zeros((20, 2), np.float32), np.zeros(20, np.int64))
    nobody = Evaluation(plain, plain, plain, plain, forgotten_classes=())
    assert verification_auc(nobody) is verification_leakage(nobody) is None
    assert np.isnan(verify_halves(nobody)).all()


def test_a_head_that_forgets_a_person_whom_the_features_know_is_found_out(
    faces: Dataset, tmp_path: Path
) -> None:
    bench = Workbench(Task.named("faces-identity:p01", "small-cnn"), faces, tmp_path, CPU)
    use_references(bench, 2)
    original = baseline_point(bench, bench.artifact(ORIGINAL), trained_for_this=False).metrics
    reference = reference_point(bench, 0).metrics
    model, _ = bench.model(bench.artifact(ORIGINAL))
    with torch.no_grad():
        model.head.bias[1] = -50
    sham = bench.evaluate(model)
    assert original["forget_accuracy"] > 0.9
    assert original["test_accuracy_forgotten_part"] == original["test_accuracy_forgotten"] > 0.8
    assert sham["test_accuracy_forgotten_part"] == sham["forget_accuracy"] == 0
    for name in ("verification_auc", "verification_leakage", "validation_verification_leakage"):
        assert sham[name] == original[name], name
    assert original["verification_auc"] > reference["verification_auc"]
    stored = bench.references
    assert stored is not None
    assert stored.verification[0, 1] == pytest.approx(reference["verification_auc"])
    assert original["verification_leakage"] == pytest.approx(
        original["verification_auc"] - stored.verification[:, 1].mean()
    )


def test_a_class_that_is_forgotten_first_leaves_no_outputs_of_persons(
    faces: Dataset, tmp_path: Path
) -> None:
    """The two tasks forget the same images: the stored outputs of one once passed for those of the other."""
    benches = {
        kind: Workbench(Task.named(f"faces-{kind}:p01", "small-cnn"), faces, tmp_path, CPU)
        for kind in ("class", "identity")
    }
    plain, persons = benches.values()
    for bench in benches.values():
        use_references(bench, 2)
    assert plain.key(RETRAINED) == persons.key(RETRAINED), "they share their models"
    assert plain.references is not None
    assert persons.references is not None
    np.testing.assert_array_equal(plain.references.forget, persons.references.forget)
    assert np.isnan(plain.references.verification).all()
    assert np.isfinite(persons.references.verification).all()
    found = baseline_point(persons, persons.artifact(ORIGINAL), trained_for_this=False).metrics
    assert np.isfinite(found["verification_leakage"])  # type: ignore[arg-type]


def test_stored_outputs_are_those_of_the_persons_who_are_on_the_images(
    faces: Dataset, tmp_path: Path
) -> None:
    """Finer labels are not in the data's fingerprint: two tellings of who is who have keys of their own."""

    def key(shift: int) -> str:
        train, held_out = (
            replace(part, subclasses=(part.labels + shift) % 6)
            for part in (faces.train, faces.held_out)
        )
        told = replace(faces, train=train, held_out=held_out, subclasses=faces.classes)
        name = f"faces-identity:{faces.classes[(1 + shift) % 6]}"
        return outputs_key(Workbench(Task.named(name, "small-cnn"), told, tmp_path, CPU), 0)

    assert key(0) == key(0) != key(1)
