"""What the workbench is made of: `python tools/supply.py sbom|licences|audit`.

sbom      CycloneDX 1.5 (JSON) of the installed packages, with hashes from constraints.txt: dist/sbom.cdx.json
licences  packages by licence; exit code 1 when one has none or one that is not known to allow use and passing on
audit     known vulnerabilities of constraints.txt, asked of pip-audit (installed in .cache/audit when it is not
          there; needs the network, and says so where there is none); exit code 1 when there are any
"""

import json
import re
import subprocess
import sys
import uuid
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
OWN = "credit_lab"
# Licences under which packages may be used and passed on as they are, by the words that name them. LGPL and MPL are
# among them: the packages are installed as they come, not changed and not linked into a file of ours.
ALLOWED = re.compile(
    r"\b(mit|mit-cmu|bsd|0bsd|apache|isc|psf|python software foundation|mpl|mozilla public|lgpl|lesser general|"
    r"unlicense|public domain|cc0|zlib|hpnd|zpl)\b|bsd-\d|apache-2|psf-2|mpl-2|python-2|lgplv?\d|new bsd",
    re.IGNORECASE,
)


def name_of(text: str) -> str:
    """The name of a package as indexes compare it.

    >>> name_of("Jupyter_Core")
    'jupyter-core'
    """
    return re.sub(r"[-_.]+", "-", text).lower()


def installed() -> dict[str, metadata.Distribution]:
    """All packages of this environment by name."""
    found = {name_of(one.metadata["Name"]): one for one in metadata.distributions() if one.metadata["Name"]}
    return dict(sorted(found.items()))


def pinned(path: Path) -> dict[str, tuple[str, list[str]]]:
    """Packages of a file of constraints: name → version, SHA-256 hashes."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (re.match(r"([\w.\-]+)(?:\[[^\]]*\])?==(\S+)(.*)", line) for line in text.splitlines())
    return {name_of(one[1]): (one[2], re.findall(r"sha256:([0-9a-f]{64})", one[3])) for one in lines if one}


def licence(package: metadata.Distribution) -> str:
    """Licence of a package: its expression, else its classifiers, else the first line of its text; "" without any."""
    said = package.metadata
    expression = str(said.get("License-Expression") or "").strip()
    if expression:
        return expression
    classifiers = [text for text in said.get_all("Classifier") or [] if text.startswith("License :: ")]
    names = sorted({text.rpartition(" :: ")[2] for text in classifiers} - {"OSI Approved"})
    if names:
        return " or ".join(names)
    return str(said.get("License") or "").strip().partition("\n")[0][:80]


def needs(package: metadata.Distribution, known: dict[str, metadata.Distribution]) -> list[str]:
    """Installed packages that a package asks for."""
    asked = {name_of(re.split(r"[^\w.\-]", text.strip(), maxsplit=1)[0]) for text in package.requires or []}
    return sorted(asked & known.keys())


def reference(name: str, package: metadata.Distribution) -> str:
    """Package URL (purl)."""
    return f"pkg:pypi/{name}@{package.version}"


def sbom() -> dict[str, object]:
    """The bill of materials; the same environment gives the same bytes."""
    known, hashes = installed(), pinned(ROOT / "constraints.txt")
    parts, links = [], []
    for name, package in known.items():
        one = {"type": "library", "bom-ref": reference(name, package), "name": name, "version": package.version,
               "purl": reference(name, package)}  # fmt: skip
        if said := licence(package):
            one["licenses"] = [{"license": {"name": said}}]  # type: ignore[assignment]
        version, sums = hashes.get(name, ("", []))
        if version == package.version and sums:
            one["hashes"] = [{"alg": "SHA-256", "content": text} for text in sums]  # type: ignore[assignment]
        if name != name_of(OWN):
            parts.append(one)
        wanted = [reference(other, known[other]) for other in needs(package, known)]
        links.append({"ref": reference(name, package), "dependsOn": wanted})
    own = known[name_of(OWN)]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([one["bom-ref"] for one in parts]))
    main_part = {"type": "application", "bom-ref": reference(name_of(OWN), own), "name": OWN, "version": own.version,
                 "licenses": [{"license": {"id": "Apache-2.0"}}]}  # fmt: skip
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": main_part},
        "components": parts,
        "dependencies": links,
    }


def write_sbom() -> int:
    """Write the bill of materials to dist."""
    path = ROOT / "dist" / "sbom.cdx.json"
    made = sbom()
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    parts = made["components"]
    hashed = sum("hashes" in one for one in parts)  # type: ignore[attr-defined]
    say(f"{path.relative_to(ROOT)}: {len(parts)} packages, {hashed} of them with hashes")  # type: ignore[arg-type]
    return 0


def licences() -> int:
    """Print packages by licence."""
    by_licence: dict[str, list[str]] = {}
    for name, package in installed().items():
        if name != name_of(OWN):
            by_licence.setdefault(licence(package) or "none stated", []).append(name)
    unknown = [said for said in by_licence if not ALLOWED.search(said)]
    for said, names in sorted(by_licence.items(), key=lambda item: (-len(item[1]), item[0])):
        say(f"{'?' if said in unknown else ' '} {len(names):4} {said}: {', '.join(names)}")
    total = sum(map(len, by_licence.values()))
    say(f"{total} packages, {len(by_licence)} licences as stated, {len(unknown)} to look at")
    return int(bool(unknown))


def audit() -> int:
    """Ask pip-audit; say what it could not answer rather than count it as sound."""
    tool = ROOT / ".cache" / "audit" / "bin" / "pip-audit"
    if not tool.exists():
        subprocess.run([sys.executable, "-m", "venv", str(tool.parents[1])], check=True)
        pip = [str(tool.with_name("python")), "-m", "pip", "install", "--quiet", "pip-audit"]
        if subprocess.run(pip).returncode:
            say("audit skipped: pip-audit cannot be installed; is there a network?")
            return 0
    command = [str(tool), "--requirement", "constraints.txt", "--require-hashes", "--no-deps", "--disable-pip",
               "--format", "json", "--progress-spinner", "off"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        say(f"audit skipped: the advisory service does not answer ({reason})")
        return 0
    asked = [one for one in packages if "skip_reason" not in one]
    found = [(one["name"], one["version"], bug) for one in asked for bug in one["vulns"]]
    for name, version, bug in found:
        fixed = ", ".join(bug["fix_versions"]) or "no version yet"
        say(f"{name} {version}: {bug['id']}, fixed in {fixed}")
    if not asked:
        say(f"audit skipped: the advisory service knows none of {len(packages)} packages; ask it from another network")
        return 0
    say(f"{len(asked)} packages audited, {len(packages) - len(asked)} not known to the service, {len(found)} findings")
    return int(bool(found))


def say(text: str) -> None:
    """One line to standard output."""
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    jobs = {"sbom": write_sbom, "licences": licences, "audit": audit}
    if len(sys.argv) != 2 or sys.argv[1] not in jobs:
        sys.exit(f"usage: python tools/supply.py {'|'.join(jobs)}")
    sys.exit(jobs[sys.argv[1]]())
