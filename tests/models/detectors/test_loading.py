"""torchvision's detectors by name: the published table, state dicts, names of classes, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models import detection, get_model_weights

from objectspace.errors import InputError, WeightsError
from objectspace.models.catalogue import EPS_0, TORCHVISION
from objectspace.models.detectors import load_detector
from objectspace.models.detectors.torchvision_models import class_names, count_classes
from objectspace.objects.labels import COCO_NAMES

SMALLEST = "ssdlite320_mobilenet_v3_large"


@pytest.mark.parametrize("name", TORCHVISION)
def test_the_table_agrees_with_torchvision_s_own(name: str) -> None:
    file, own = TORCHVISION[name], get_model_weights(name).DEFAULT
    assert file.urls == (own.url,)
    assert file.name.split("-")[-1] == f"{file.sha256[:8]}.pth"
    assert len(file.sha256) == 64
    # torchvision tells a file's size in MiB to three digits.
    assert file.size / 2**20 == pytest.approx(own.meta["_file_size"], abs=6e-4)


def test_two_files_were_trained_with_batch_norms_of_eps_0() -> None:
    assert sorted(digest[:8] for digest in EPS_0) == ["258fb6c6", "eeacb38b"]


@pytest.mark.parametrize("name", TORCHVISION)
@pytest.mark.parametrize("classes", [91, 4])
def test_classes_are_counted_in_the_state_dict(name: str, classes: int) -> None:
    # On the meta device nothing is computed but shapes.
    with torch.device("meta"):
        network = getattr(detection, name)(weights=None, weights_backbone=None, num_classes=classes)
    assert count_classes(name, network.state_dict(), Path("x.pth")) == classes


def test_the_91_numbers_of_coco_have_the_names_of_its_80_classes() -> None:
    names = class_names(91, None, Path("x.pth"))
    assert tuple(name for name in names if name in COCO_NAMES) == COCO_NAMES
    assert (names[0], names[1], names[12], names[90]) == ("class 0", "person", "class 12", "toothbrush")
    assert len(set(names)) == 91


def test_names_are_given_with_or_without_the_background(tmp_path: Path) -> None:
    two, three = tmp_path / "two.txt", tmp_path / "three.txt"
    two.write_text("apple\nsofa\n")
    three.write_text("nothing\napple\nsofa\n")
    weights = Path("x.pth")
    assert class_names(3, two, weights) == ("class 0", "apple", "couch")
    assert class_names(3, three, weights) == ("nothing", "apple", "couch")
    assert class_names(3, None, weights) == ("class 0", "class 1", "class 2")
    assert class_names(81, None, weights) == ("class 0", *COCO_NAMES)
    with pytest.raises(
        InputError, match=r"two.txt has 2 names, but x.pth has 4 classes beside the background"
    ):
        class_names(5, two, weights)


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "lite.pth"
    network = getattr(detection, SMALLEST)(weights=None, weights_backbone=None, num_classes=4)
    torch.save(network.state_dict(), path)
    return path


def test_a_state_dict_of_ones_own_is_loaded(lite: Path) -> None:
    detector: Any = load_detector(SMALLEST, weights=lite, precision="float32")
    assert [head.stride for head in detector.heads] == [16, 32, 64, 107, 160, 320]
    assert [len(head.anchors) for head in detector.heads] == [6] * 6
    assert detector.input_wh == (320, 320)
    assert detector.loaded_from["weights"] == str(lite)
    assert "batch_norm_eps" not in detector.recipe
    again = load_detector(**detector.loaded_from, precision="float32")
    assert again.source == detector.source
    # torchvision builds the lighter SSD with another eps than its other networks.
    norms = [one for one in detector.network.modules() if isinstance(one, torch.nn.BatchNorm2d)]
    assert {norm.eps for norm in norms} == {0.001}


def test_weights_of_another_network_are_refused(lite: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"lite.pth lacks backbone.* and \d+ more; it is of another network"
    ):
        load_detector("fcos_resnet50_fpn", weights=lite)
    with pytest.raises(WeightsError, match=r"lite.pth (holds no class scores|lacks)"):
        load_detector("fasterrcnn_resnet50_fpn", weights=lite)


def test_weights_with_another_shape_are_refused(lite: Path, tmp_path: Path) -> None:
    tensors = torch.load(lite, weights_only=True)
    tensors["backbone.features.0.0.0.weight"] = torch.zeros(8, 3, 3, 3)
    torch.save(tensors, tmp_path / "odd.pth")
    with pytest.raises(WeightsError, match=r"odd.pth holds tensors of another shape: backbone.features.0"):
        load_detector(SMALLEST, weights=tmp_path / "odd.pth")


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no detector 'fcos_resnet50'.*did you mean fcos_resnet50_fpn\?"):
        load_detector("fcos_resnet50")


def test_resize_is_not_for_them(lite: Path) -> None:
    with pytest.raises(InputError, match="has its own rule of how a photo becomes its input"):
        load_detector(SMALLEST, weights=lite, resize="letterbox")
