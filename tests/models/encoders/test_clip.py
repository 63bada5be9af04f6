"""open_clip's encoders, small random models in folders like those of the hub; oracle: open_clip itself."""

from __future__ import annotations

import json
import logging
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from objectspace.errors import DownloadError, InputError, ModelError, QueryError, WeightsError
from objectspace.files import file_sha256
from objectspace.models.encoders import TextEncoder, clip, has_text_tower, load_encoder

TEXTS = ["a red leather chair", "Blue!", "a dog"]


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def encoder(clip_folder):
    return load_encoder(f"open_clip:local-dir:{clip_folder}", precision="float32")


@pytest.fixture(scope="module")
def oracle(clip_folder):
    """open_clip's own model, preprocessing and tokenizer of the same folder."""
    import open_clip

    name = f"local-dir:{clip_folder}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    return model.eval(), preprocess, open_clip.get_tokenizer(name)


def test_crops_are_embedded_as_open_clip_embeds_them(encoder, oracle, crops):
    model, preprocess, _ = oracle
    inputs = torch.stack([preprocess(Image.fromarray(crop)) for crop in crops])
    with torch.no_grad():
        expected = model.encode_image(inputs).numpy()
    vectors = encoder.embed(crops)
    assert (vectors.shape, vectors.dtype) == ((3, 24), np.float32)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_texts_are_embedded_as_open_clip_embeds_them(encoder, oracle):
    model, _, tokenizer = oracle
    with torch.no_grad():
        expected = model.encode_text(tokenizer(TEXTS)).numpy()
    vectors = encoder.embed_text(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((3, 24), np.float32)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_a_text_does_not_depend_on_its_company(encoder):
    together = encoder.embed_text(TEXTS)
    assert np.array_equal(encoder.embed_text(TEXTS[::-1]), together[::-1])
    assert encoder.embed_text([]).shape == (0, 24)


def test_bfloat16_points_the_same_way(clip_folder, encoder, crops):
    rough = load_encoder(f"open_clip:local-dir:{clip_folder}", precision="bfloat16")
    for exact, near in (
        (encoder.embed(crops), rough.embed(crops)),
        (encoder.embed_text(TEXTS), rough.embed_text(TEXTS)),
    ):
        cosine = (exact * near).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(near, axis=1)
        assert (cosine > 0.99).all()


def test_it_says_what_it_is(clip_folder, encoder):
    assert isinstance(encoder, TextEncoder)
    assert (encoder.name, encoder.tap, encoder.input_size) == ("tiny-clip", "projection", 32)
    assert encoder.weights == file_sha256(clip_folder / "open_clip_model.safetensors")
    assert encoder.preprocessing["mean"] == [0.4, 0.5, 0.6]
    assert encoder.preprocessing["std"] == [0.2, 0.3, 0.4]
    assert encoder.interpolation == "bicubic"
    again = load_encoder(**encoder.loaded_from, precision="float32")
    assert again.weights == encoder.weights


def test_a_relative_folder_is_found_again_from_elsewhere(clip_folder, monkeypatch, tmp_path):
    monkeypatch.chdir(clip_folder.parent)
    arguments = load_encoder(f"open_clip:local-dir:{clip_folder.name}").loaded_from
    monkeypatch.chdir(tmp_path)
    assert load_encoder(**arguments).name == "tiny-clip"


def test_encoders_without_a_text_tower_are_no_text_encoders(world):
    plain = load_encoder("test_vit", weights=world.encoder_weights)
    assert not isinstance(plain, TextEncoder)
    assert not has_text_tower("test_vit")
    assert not has_text_tower("vit_base_patch32_clip_224.openai")  # timm has the image tower alone


def test_siglip_with_its_tokenizer(siglip_folder, crops):
    import open_clip

    name = f"local-dir:{siglip_folder}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    model.eval()
    encoder = load_encoder(f"open_clip:{name}", precision="float32")
    large = np.random.default_rng(0).integers(0, 256, (2, 160, 160, 3), np.uint8)
    with torch.no_grad():
        images = model.encode_image(torch.stack([preprocess(Image.fromarray(crop)) for crop in large]))
        texts = model.encode_text(open_clip.get_tokenizer(name)(["a red chair", "dog"]))
    np.testing.assert_allclose(encoder.embed(large), images.numpy(), atol=1e-5)
    np.testing.assert_allclose(encoder.embed_text(["a red chair", "dog"]), texts.numpy(), atol=1e-5)
    with pytest.raises(QueryError, match="longer than the 8 tokens"):
        encoder.embed_text(["a red chair " * 4])


def test_a_model_by_name_with_a_file_of_weights(clip_folder, clip_name, encoder, crops):
    weights = clip_folder / "open_clip_model.safetensors"
    named = load_encoder(f"open_clip:{clip_name}", weights=weights, precision="float32")
    assert (named.name, named.weights) == (clip_name, encoder.weights)
    np.testing.assert_array_equal(named.embed_text(TEXTS), encoder.embed_text(TEXTS))
    # Without a folder's own preprocessing it is that of OpenAI's CLIP.
    assert named.preprocessing["mean"] == pytest.approx([0.4815, 0.4578, 0.4082], abs=1e-4)


def test_weights_of_a_tag_bring_its_preprocessing_and_activation(clip_folder, clip_name, monkeypatch):
    import open_clip
    from open_clip import pretrained

    tag = {"mean": (0.1, 0.2, 0.3), "std": (1, 1, 1), "interpolation": "bilinear", "quick_gelu": True}
    tag |= {"file": str(clip_folder / "open_clip_model.safetensors"), "resize_mode": "squash"}
    monkeypatch.setitem(pretrained._PRETRAINED, clip_name, {"mine": tag})
    encoder = load_encoder(f"open_clip:{clip_name}/mine", precision="float32")
    assert encoder.name == f"{clip_name}-mine"
    assert encoder.preprocessing["mean"] == [0.1, 0.2, 0.3]
    assert encoder.interpolation == "bilinear"
    model = open_clip.create_model(clip_name, pretrained=tag["file"], force_quick_gelu=True).eval()
    with torch.no_grad():
        expected = model.encode_text(open_clip.get_tokenizer(clip_name)(TEXTS)).numpy()
    np.testing.assert_allclose(encoder.embed_text(TEXTS), expected, atol=1e-5)


# ------------------------------------------------------------------------------------- what cannot be done


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_an_empty_text(encoder, text):
    with pytest.raises(QueryError, match="a text to search for is empty; say what it shows"):
        encoder.embed_text(["fine", text])


def test_a_text_that_would_lose_its_end(encoder):
    words = ["chair"] * 10  # and two tokens around them: as many as the tower reads
    assert encoder.embed_text([" ".join(words)]).shape == (1, 24)
    with pytest.raises(QueryError, match=r"the text 'chair .*…' is longer than the 12 tokens that tiny-clip"):
        encoder.embed_text([" ".join([*words, "chair"])])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ViT-B-33/openai", "encoder open_clip:ViT-B-33/openai is not known; near names are .*ViT-B-32"),
        ("§", "encoder open_clip:§ is not known; choose one of open_clip.list_models"),
        ("ViT-B-32", "names no weights of ViT-B-32, which has openai, .*as open_clip:ViT-B-32/openai"),
        ("ViT-B-32/opnai", "open_clip:ViT-B-32/opnai names no weights of ViT-B-32, which has openai, .*"),
        ("local-dir:/nowhere", "/nowhere is no folder with an open_clip_config.json"),
    ],
)
def test_unknown_names(name, told):
    with pytest.raises(InputError, match=told):
        load_encoder(f"open_clip:{name}")


def test_an_architecture_without_published_weights_wants_a_file(clip_name):
    with pytest.raises(InputError, match=f"open_clip:{clip_name} has no published weights; name a file"):
        load_encoder(f"open_clip:{clip_name}")
    with pytest.raises(InputError, match=f"names no weights of {clip_name}, which has none; leave the name"):
        load_encoder(f"open_clip:{clip_name}/openai")


def test_files_that_are_not_these_weights(clip_folder, clip_name, tmp_path, world):
    name = f"open_clip:local-dir:{clip_folder}"
    with pytest.raises(WeightsError, match="no weight file at"):
        load_encoder(name, weights=tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match=r"encoder\.pth is no file of weights for open_clip's local-dir"):
        load_encoder(name, weights=world.encoder_weights)
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    with pytest.raises(WeightsError, match=r"junk\.safetensors is no file of weights"):
        load_encoder(name, weights=tmp_path / "junk.safetensors")


class Evil:
    def __reduce__(self):
        return (sys.exit, (3,))


def test_weights_are_data_and_run_nothing(clip_folder, tmp_path):
    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match=r"evil\.pth is no file of weights"):
        load_encoder(f"open_clip:local-dir:{clip_folder}", weights=tmp_path / "evil.pth")


def test_a_folder_without_weights_is_not_taken_at_random(clip_folder, tmp_path):
    config = (clip_folder / "open_clip_config.json").read_text()
    (tmp_path / "open_clip_config.json").write_text(config)
    with pytest.raises(WeightsError, match=r"has no single file of weights \(none\); name the encoder"):
        load_encoder(f"open_clip:local-dir:{tmp_path}")
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"embed_dim": 3}}))
    (tmp_path / "model.bin").touch()
    with pytest.raises(ModelError, match="open_clip cannot build local-dir:"):
        load_encoder(f"open_clip:local-dir:{tmp_path}")


def test_offline_is_one_sentence_and_says_nothing_else(monkeypatch, capfd):
    from open_clip import pretrained

    def offline(*_, **__):
        logging.error("Failed to download weights")
        raise FileNotFoundError("no route")

    monkeypatch.setattr(pretrained, "hf_hub_download", offline)
    handlers = list(logging.getLogger().handlers)
    for name in ("ViT-B-32/openai", "hf-hub:someone/model"):
        with pytest.raises(
            DownloadError, match=rf"open_clip:{name} could not be fetched \(FileNotFound.*weights="
        ):
            load_encoder(f"open_clip:{name}")
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger().handlers == handlers


def test_a_tokenizer_that_cannot_be_fetched(clip_folder, monkeypatch):
    encoder = load_encoder(f"open_clip:local-dir:{clip_folder}")

    def offline(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr("open_clip.get_tokenizer", offline)
    with pytest.raises(DownloadError, match=r"the tokenizer of tiny-clip could not be fetched \(OSError\)"):
        encoder.embed_text(["a chair"])


def test_open_clip_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(ModelError, match=r"need the package open_clip: pip install 'objectspace\[text\]'$"):
        load_encoder("open_clip:ViT-B-32/openai")


def test_an_input_that_is_no_square():
    config = {"size": (32, 64), "mean": (0, 0, 0), "std": (1, 1, 1), "interpolation": "bicubic"}
    with pytest.raises(ModelError, match="takes inputs of 32 x 64 pixels; expected a square"):
        clip._preprocessing("x", config)


@pytest.mark.parametrize(("length", "shown"), [(39, 39), (40, 40), (41, 40), (90, 40)])
def test_long_texts_are_cut_to_forty_letters(length: int, shown: int) -> None:
    text = "abcdefghij" * 9
    cut = clip._beginning(text[:length])
    assert len(cut) == shown
    assert cut == (text[:length] if length <= 40 else text[:39] + "…")


def test_of_an_error_two_lines_are_told() -> None:
    assert clip._first_line(ValueError("\n  size mismatch:\n\n  of w \n and b")) == "size mismatch: of w"
    assert clip._first_line(KeyError()) == "KeyError"
    assert clip._first_line(ValueError("e" * 201)) == "e" * 199 + "…"
    assert clip._first_line(ValueError("e" * 200)) == "e" * 200
