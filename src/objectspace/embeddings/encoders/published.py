"""Published weights of encoders (no torch here, so that they can be listed at once)."""

from __future__ import annotations

from objectspace.networks.weights import WeightsFile

#: torchvision's first ImageNet weights. Its second set classifies better, but was trained with label
#: smoothing and mixing, which make penultimate features transfer worse (Kornblith et al. 2021, "Why do
#: better loss functions lead to less transferable features?"); who wants it names its file.
RESNET50_IMAGENET = WeightsFile(
    name="resnet50-0676ba61.pth",
    sha256="0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
    urls=("https://download.pytorch.org/models/resnet50-0676ba61.pth",),
    size=102_530_333,
    licence="BSD-3-Clause (torchvision); trained on ImageNet, whose terms are for research",
    source="torchvision ResNet50_Weights.IMAGENET1K_V1",
)

#: Trained on the drawn world: docs/default-models.md.
DEMO_ENCODER = WeightsFile(
    name="demo.safetensors",
    sha256="7aeb02b0d3f4efc9a5130ff6b4f3b4c9ed89667ad4e340bd220f33d5f1737b0e",
    urls=(),
    size=2_483_176,
    licence="Apache-2.0",
    source="this package; trained by tools/demo_models",
    shipped=True,
)
