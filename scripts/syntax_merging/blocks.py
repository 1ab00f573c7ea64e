"""YAML whose blocks repeat themselves, as Kubernetes' and GitHub's do, and edits of one block beside a new one."""

from collections.abc import Iterator

from cases import Case

JOB = """  {name}:
    runs-on: ubuntu-latest
    timeout-minutes: 10
    steps:
      - uses: actions/checkout@v6
        with:
          persist-credentials: false
      - uses: actions/setup-python@v6
        with:
          python-version: "3.13"
      - run: make {name}

"""
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: 2
  template:
    spec:
      containers:
        - name: app
          image: registry.example/{name}:1
          env:
            - name: LOG_LEVEL
              value: info
          resources:
            limits:
              memory: 256Mi
---
"""
WORKFLOW = "on: push\n\njobs:\n"
NAMES = ("lint", "test", "build", "scan", "deploy")
EDITS = {
    JOB: [
        ("    timeout-minutes: 10\n", "    timeout-minutes: 30\n"),
        ("persist-credentials: false\n", "persist-credentials: false\n          fetch-depth: 0\n"),
        ('          python-version: "3.13"\n', '          python-version: "3.14"\n'),
        ("    runs-on: ubuntu-latest\n", "    needs: lint\n    runs-on: ubuntu-latest\n"),
    ],
    DEPLOYMENT: [
        ("  replicas: 2\n", "  replicas: 5\n"),
        ("              memory: 256Mi\n", "              memory: 512Mi\n"),
        ("              value: info\n", "              value: info\n            - name: OURS\n              value: one\n"),
        ("          image: ", "          imagePullPolicy: Always\n          image: "),
    ],
}


def files() -> Iterator[str]:
    """Yield the texts themselves, for the general edits."""
    yield WORKFLOW + "".join(JOB.format(name=name) for name in NAMES)
    yield "".join(DEPLOYMENT.format(name=name) for name in NAMES)


def cases() -> Iterator[Case]:
    """Yield merges of an edit to one block with a change to all, to a neighbour, or with a new block before it."""
    for form, head in ((JOB, WORKFLOW), (DEPLOYMENT, "")):
        base = {name: form.format(name=name) for name in NAMES}
        for number, name in enumerate(NAMES):
            for place, (old, new) in enumerate(EDITS[form]):
                ours = base | {name: base[name].replace(old, new)}
                earlier = {key: base[key] for key in NAMES[:number]}
                added = {**earlier, "added": form.format(name="added"), **base}
                sides = (base, ours, added, added | {name: ours[name]})
                yield _case("an edit in a repeated block, a new block before it", head, *sides)
                everywhere = {key: text.replace(*EDITS[form][(place + 1) % 4]) for key, text in base.items()}
                right = everywhere | {name: ours[name].replace(*EDITS[form][(place + 1) % 4])}
                yield _case("an edit in a repeated block, another in all of them", head, base, ours, everywhere, right)
                gone = {key: text for key, text in base.items() if key != name}
                following = NAMES[(number + 1) % len(NAMES)]
                changed = base | {following: base[following].replace(old, new)}
                sides = (base, changed, gone, {key: changed[key] for key in gone})
                yield _case("an edit in a repeated block, its neighbour removed", head, *sides)


def _case(kind: str, head: str, *sides: dict[str, str]) -> Case:
    *texts, right = (head + "".join(side.values()) for side in sides)
    return Case(kind, "yaml", *texts, right=(right,))
