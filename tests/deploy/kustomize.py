"""Builds an overlay, for tests: the part of kustomize that our files use, and an error for any other.

Kustomize itself comes as a program that no package index carries. What is understood: `resources`,
`components`, `namespace`, `replicas`, `images`, `patches` with inline JSON patches (RFC 6902) of `replace`.
Source: the Kubernetes documentation, "Declarative Management of Kubernetes Objects Using Kustomize".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
_UNDERSTOOD = {"apiVersion", "kind", "resources", "components", "namespace", "replicas", "images", "patches"}
_WITHOUT_NAMESPACE = {"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}


def build(folder: Path) -> list[Manifest]:
    """Return the objects that `kustomize build folder` prints, in the order of the files.

    Raises:
        ValueError: the folder uses what this does not understand.
    """
    return _built(folder, [])


def _built(folder: Path, below: list[Manifest]) -> list[Manifest]:
    """Return the folder's own objects after those below, which a component may change."""
    wanted = yaml.safe_load((folder / "kustomization.yaml").read_text())
    if unknown := set(wanted) - _UNDERSTOOD:
        raise ValueError(f"{folder}: {unknown} is not understood")
    objects = list(below)
    for name in wanted.get("resources", []):
        path = folder / name
        objects += build(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))
    for name in wanted.get("components", []):
        objects = _built(folder / name, objects)
    for patch in wanted.get("patches", []):
        _patch(objects, patch)
    for one in objects:
        _finish(one, wanted)
    return objects


def _patch(objects: list[Manifest], patch: Manifest) -> None:
    target = patch["target"]
    found = [
        one for one in objects if (one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"])
    ]
    if not found:
        raise ValueError(f"{target} is not there")
    for step in yaml.safe_load(patch["patch"]):
        if step["op"] != "replace":
            raise ValueError(f"{step['op']} is not understood")
        for one in found:
            _replace(one, step["path"].strip("/").split("/"), step["value"])


def _replace(place: Any, path: list[str], value: object) -> None:
    *way, last = path
    for name in way:
        place = place[int(name)] if isinstance(place, list) else place[name]
    if last not in place:
        raise ValueError(f"there is no {'/'.join(path)} to replace")
    place[last] = value


def _finish(one: Manifest, wanted: Manifest) -> None:
    """Set namespace, replicas and images."""
    if "namespace" in wanted and one["kind"] not in _WITHOUT_NAMESPACE:
        one["metadata"]["namespace"] = wanted["namespace"]
    for count in wanted.get("replicas", []):
        if one["kind"] == "Deployment" and one["metadata"]["name"] == count["name"]:
            one["spec"]["replicas"] = count["count"]
    for container in pod_of(one).get("containers", []):
        for image in wanted.get("images", []):
            if container["image"] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"


def pod_of(one: Manifest) -> Manifest:
    """Return the specification of the pods that the object makes; empty for one that makes none."""
    pod: Manifest = one.get("spec", {}).get("template", {}).get("spec", {})
    return pod
