"""Published weights of encoders (no torch here, so that they can be listed at once)."""

from __future__ import annotations

from dataclasses import dataclass

from objectspace.models.weights import WeightsFile

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


@dataclass(frozen=True, slots=True)
class HubWeights:
    """Weights that open_clip fetches from the Hugging Face hub by itself.

    repository: OWNER/NAME there; files: what they may be called in it, best first
    size: bytes of the tensors in float32; licence: as the repository states it
    """

    repository: str
    files: tuple[str, ...]
    size: int
    licence: str


_HUB_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")

#: A few of open_clip's encoders with a text tower, by the name that load_encoder takes; there are many more.
TEXT_ENCODERS = {
    "open_clip:ViT-B-32/openai": HubWeights(
        "timm/vit_base_patch32_clip_224.openai",
        _HUB_FILES,
        605_109_252,
        "Apache-2.0; OpenAI's own release MIT",
    ),
    "open_clip:ViT-B-32/laion2b_s34b_b79k": HubWeights(
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", _HUB_FILES, 605_109_252, "MIT"
    ),
    "open_clip:ViT-B-16-SigLIP/webli": HubWeights(
        "timm/ViT-B-16-SigLIP", _HUB_FILES, 812_623_880, "Apache-2.0"
    ),
}
