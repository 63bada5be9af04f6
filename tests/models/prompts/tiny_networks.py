"""Grounding DINO, SAM and SAM 3 so small that a photo takes milliseconds, with random weights, on disk.

They are of the real classes, with tokenizers and image processors of their own, and lie where a user's would.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers

#: What the tokenizer of the tiny Grounding DINO knows beside the full stop.
PIECES = ("apple", "##apple", "pine", "pear", "red", "green", "dog", "car", "a", "##s")


def write_networks(folder: Path) -> Path:
    """The three networks in the folders that --prompt-weights expects."""
    transformers.utils.logging.disable_progress_bar()
    for seed, (part, write) in enumerate(
        {"grounding-dino": _grounding_dino, "sam": _sam, "sam3": _sam3}.items()
    ):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for piece in write(folder):
                piece.save_pretrained(folder / part)
    return folder


def bert_tokenizer(folder: Path) -> transformers.BertTokenizer:
    """WordPiece as in BERT, with the special tokens where Grounding DINO looks for them."""
    places = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}
    vocabulary = [places.get(number, f"[unused{number}]") for number in range(1030)]
    path = folder / "vocab.txt"
    path.write_text("\n".join([*vocabulary, *PIECES]))
    return transformers.BertTokenizer(str(path), do_lower_case=True)


def _grounding_dino(folder: Path) -> tuple:
    tokenizer = bert_tokenizer(folder)
    backbone = transformers.SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 1, 1],
        window_size=4,
        out_indices=[2, 3, 4],
    )
    text = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=24,
    )
    config = transformers.GroundingDinoConfig(
        backbone_config=backbone,
        text_config=text,
        max_text_len=24,
        num_queries=20,
        d_model=64,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=16,
    )
    network = transformers.GroundingDinoForObjectDetection(config)
    with torch.no_grad():
        # Logits of random networks are in the tens; these are about 0.
        network.model.encoder.layers[-1].text_enhancer_layer.layer_norm_after.weight.mul_(0.1)
    images = transformers.GroundingDinoImageProcessor(size={"shortest_edge": 48, "longest_edge": 96})
    return network, transformers.GroundingDinoProcessor(images, tokenizer)


def _sam(folder: Path) -> tuple:
    config = transformers.SamConfig(
        vision_config={
            "hidden_size": 16,
            "output_channels": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 8,
            "window_size": 4,
            "global_attn_indexes": [1],
            "num_pos_feats": 8,
            "mlp_dim": 16,
        },
        prompt_encoder_config={
            "hidden_size": 16,
            "image_size": 64,
            "patch_size": 8,
            "mask_input_channels": 4,
        },
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )
    images = transformers.SamImageProcessor(
        size={"longest_edge": 64}, pad_size={"height": 64, "width": 64}, mask_size={"longest_edge": 16}
    )
    return transformers.SamModel(config), transformers.SamProcessor(images)


def _sam3(folder: Path) -> tuple:
    small = {"hidden_size": 32, "num_attention_heads": 2}
    layer = {**small, "num_layers": 1, "intermediate_size": 16}
    tokenizer, count = _clip_tokenizer(folder)
    config = transformers.Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model",
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "image_size": 56,
                "patch_size": 14,
                "window_size": 2,
                "global_attn_indexes": [1],
                "pretrain_image_size": 28,
            },
            "fpn_hidden_size": 32,
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        },
        text_config={
            "vocab_size": count,
            "hidden_size": 16,
            "intermediate_size": 16,
            "projection_dim": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 32,
            "bos_token_id": count - 2,
            "eos_token_id": count - 1,
        },
        geometry_encoder_config=layer,
        detr_encoder_config=layer,
        detr_decoder_config={**layer, "num_queries": 10},
        mask_decoder_config=small,
    )
    network = transformers.Sam3Model(config)
    with torch.no_grad():
        # Boxes of random networks hardly differ from query to query; these do.
        network.detr_decoder.reference_points.weight.normal_(0, 2)
    images = transformers.Sam3ImageProcessor(size={"height": 56, "width": 56})
    return network, transformers.Sam3Processor(images, tokenizer)


def _clip_tokenizer(folder: Path) -> tuple[transformers.CLIPTokenizer, int]:
    """Byte pairs as in CLIP, of single letters."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    vocabulary.write_text(json.dumps({piece: number for number, piece in enumerate(pieces)}))
    merges.write_text("#version: 0.2\n")
    return transformers.CLIPTokenizer(str(vocabulary), str(merges)), len(pieces)
