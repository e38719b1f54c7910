#!/usr/bin/env python3
"""Asks each ecosystem's own tool how pairs of versions compare.

Writes one file for each tool, with lines of the form "1.0 < 1.1". A pair that
the tool refuses has "?" between the two. The tools are looked for in the PATH
and named in the first line of the file that they made; what is not there is
left out.

    generate.py [--count N] [--seed TEXT] [--to FOLDER] [NAME...]

Needed: python3 with packaging; node with the package semver (NODE_PATH); cargo;
ruby; php with composer/semver (COMPOSER_SEMVER, the folder of its classes); java
with maven-artifact (MAVEN_ARTIFACT, the jar); dpkg; rpm. The Go test TestAskTheTools
fetches them all.
"""
import argparse
import os
import pathlib
import random
import subprocess
import tempfile
import zipfile

HERE = pathlib.Path(__file__).parent
NUMBERS = ["0", "1", "2", "9", "10", "11", "00", "01", "100", "20240131", "1234567890123"]

# What versions are made of: (how many numbers at most, what may follow).
SHAPES = {
    "npm": (3, ["-alpha", "-alpha.1", "-alpha.beta", "-beta.2", "-beta.11", "-rc.1", "-0", "-1", "-x.7.z.92", "-rc-1", "+build", "+5", "-rc.1+b", "-A"], ["", "v"]),
    "cargo": (3, ["-alpha", "-alpha.1", "-alpha.beta", "-beta.2", "-beta.11", "-rc.1", "-0", "-1", "-x.7.z.92", "-rc-1", "+build", "-rc.1+b", "-A", "-00"], [""]),
    "pypi": (4, ["a1", "a", "b2", "rc1", "c1", ".dev1", ".post1", "-1", "rev2", ".rc.1", "_alpha_1", "+local", "+local.1", "+1", "+ubuntu-1", "a1.dev2", "rc1.post2", ".post1.dev3", ".x", "-foo"], ["", "v", "1!", "0!"]),
    "rubygems": (4, [".a", ".b1", ".rc1", ".rc2", ".pre", ".pre.1", "-1", "-rc1", ".A", ".alpha.5.0.3", ".alpha.5.0.4", ".beta10", ".beta9", "a"], [""]),
    "packagist": (4, ["-dev", "-alpha", "-alpha1", "a1", "b2", "-beta2", "-beta.3", "-RC1", "rc", "RC2", "-pl1", "-patch2", "p1", "-stable", "-alpha1-dev", "+meta", "-RC-2", "-foo", "-beta2.1"], ["", "v"]),
    "maven": (4, ["-SNAPSHOT", "-alpha", "-alpha-1", "a1", "-beta2", "b2", "-milestone", "-m3", "-rc", "-cr1", "-rc-2", ".Final", "-ga", ".RELEASE", "-sp", "-sp1", "-jre", "-android", "-foo", ".foo", "-1", "-1.2", "_2", ".v2021", "-xyz1"], [""]),
    "debian": (4, ["-1", "-1ubuntu1", "-2", "~rc1", "~rc1-1", "+dfsg-1", "+deb12u1", "+b1", "-1+deb12u2", "-1~bpo12+1", "+git20240101-1", "a", "a-1", "-0", "~", "~~", ".0+really1.2-1"], ["", "1:", "0:"]),
    "rpm": (4, ["-1", "-1.el9", "-2.el8", "-21.el8", "~rc1", "~rc1-1", "^git1", "^git1-1", "^", "a", "b", ".a", "_1", "+1", "-1.module+el9.4.0", "~~", "-0.1.rc1", "~beta2^git1"], ["", "1:", "0:"]),
}


SEMVER = ("npm", "cargo")


def number(rng, name):
    n = rng.choice(NUMBERS)
    return n if name not in SEMVER or rng.random() < 0.02 else str(int(n))  # refused: zeros before a number


def version(rng, name):
    most, tails, heads = SHAPES[name]
    numbers = [number(rng, name) for _ in range(rng.randint(1, most) if name not in SEMVER or rng.random() < 0.05 else 3)]
    return rng.choice(heads if rng.random() < 0.4 else heads[:1]) + ".".join(numbers) + (rng.choice(tails) if rng.random() < 0.7 else "")


def neighbour(rng, name, v):
    """A version that differs little: in its end or in its last number."""
    _, tails, heads = SHAPES[name]
    body = v.split(":")[-1].split("!")[-1].lstrip("v")
    end = next((i for i, c in enumerate(body) if c not in "0123456789."), len(body))
    numbers, tail = body[:end].strip("."), body[end:]
    what = rng.random()
    if what < 0.5:
        return numbers + rng.choice(tails)
    if what < 0.7 and name not in SEMVER:
        return numbers + ".0" + tail
    head, _, _ = numbers.rpartition(".")
    return (head + "." if head else "") + number(rng, name) + tail


def pairs(name, count, seed):
    rng = random.Random(name + seed)
    out = []
    while len(out) < count:
        a = version(rng, name)
        b = neighbour(rng, name, a) if rng.random() < 0.8 else version(rng, name)
        out.append((a, b))
    return out


def ask(command, given, **more):
    return subprocess.run(command, input=given, text=True, capture_output=True, check=True, **more).stdout.split()


def pypi(asked):
    import packaging
    from packaging.version import InvalidVersion, Version
    out = []
    for a, b in asked:
        try:
            x, y = Version(a), Version(b)
            out.append("<" if x < y else ">" if x > y else "=")
        except InvalidVersion:
            out.append("?")
    return "packaging " + packaging.__version__, out


def lines(asked):
    return "".join(f"{a} {b}\n" for a, b in asked)


READ_JS = "require('fs').readFileSync(0,'utf8').trim().split('\\n').map(l=>l.split(' '))"


def npm(asked):
    js = f"const s=require('semver');for(const [a,b] of {READ_JS})console.log(s.valid(a)&&s.valid(b)?'<=>'[s.compare(a,b)+1]:'?')"
    (tool,) = ask(["node", "-e", "console.log(require('semver/package.json').version)"], "")
    return "node-semver " + tool, ask(["node", "-e", js], lines(asked))


CARGO = """use std::io::BufRead;
fn main() { for l in std::io::stdin().lock().lines() { let l = l.unwrap(); let p: Vec<_> = l.split(' ').map(|v| semver::Version::parse(v)).collect();
  println!("{}", match (&p[0], &p[1]) { (Ok(a), Ok(b)) => match a.cmp_precedence(b) { std::cmp::Ordering::Less => "<", std::cmp::Ordering::Equal => "=", _ => ">" }, _ => "?" }); } }"""


def cargo(asked):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "src").mkdir()
        (root / "src/main.rs").write_text(CARGO)
        (root / "Cargo.toml").write_text('[package]\nname = "order"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\nsemver = "1"\n')
        said = ask(["cargo", "run", "-q"], lines(asked), cwd=root)
        tool = next(l for l in ask(["cargo", "tree", "--depth", "1", "--prefix", "none"], "", cwd=root) if l[0] == "v" and l != "v0.1.0")
    return "semver of Cargo, " + tool, said


def rubygems(asked):
    rb = "require 'rubygems'; STDIN.each_line{|l| a,b=l.split; puts((Gem::Version.correct?(a)&&Gem::Version.correct?(b)) ? '<=>'[(Gem::Version.new(a)<=>Gem::Version.new(b))+1] : '?')}"
    (tool,) = ask(["ruby", "-e", "require 'rubygems'; puts Gem::VERSION"], "")
    return "RubyGems " + tool, ask(["ruby", "-e", rb], lines(asked))


def packagist(asked):
    root = os.environ["COMPOSER_SEMVER"]
    php = f"""foreach (['VersionParser', 'Constraint/ConstraintInterface', 'Constraint/Constraint', 'Comparator'] as $f) require '{root}/' . $f . '.php';
$p = new Composer\\Semver\\VersionParser();
foreach (file('php://stdin') as $l) {{ [$a, $b] = explode(' ', trim($l));
  try {{ $x = $p->normalize($a); $y = $p->normalize($b); }} catch (Exception $e) {{ echo "?\\n"; continue; }}
  echo Composer\\Semver\\Comparator::lessThan($x, $y) ? '<' : (Composer\\Semver\\Comparator::greaterThan($x, $y) ? '>' : '='), "\\n"; }}"""
    (tool,) = ask(["php", "-n", "-r", "echo PHP_VERSION;"], "")
    return "composer/semver, PHP " + tool, ask(["php", "-n", "-r", php], lines(asked))


JAVA = """import org.apache.maven.artifact.versioning.ComparableVersion;
public class Order { public static void main(String[] x) throws Exception {
  var in = new java.io.BufferedReader(new java.io.InputStreamReader(System.in));
  for (String l; (l = in.readLine()) != null;) { String[] p = l.split(" ");
    int c = new ComparableVersion(p[0]).compareTo(new ComparableVersion(p[1]));
    System.out.println(c < 0 ? "<" : c > 0 ? ">" : "="); } } }"""


def maven(asked):
    jar = os.environ["MAVEN_ARTIFACT"]
    source = pathlib.Path(tempfile.gettempdir()) / "Order.java"
    source.write_text(JAVA)
    manifest = zipfile.ZipFile(jar).read("META-INF/MANIFEST.MF").decode()
    release = next(l.split()[1] for l in manifest.splitlines() if l.startswith("Implementation-Version"))
    return "ComparableVersion of Maven " + release, ask(["java", "-cp", jar, str(source)], lines(asked))


def debian(asked):
    sh = "while read -r a b; do if dpkg --compare-versions $a lt $b; then echo '<'; elif dpkg --compare-versions $a eq $b; then echo '='; else echo '>'; fi; done"
    return "dpkg " + ask(["dpkg", "--version"], "")[6], ask(["sh", "-c", sh], lines(asked))


def rpm(asked):
    script = pathlib.Path(tempfile.gettempdir()) / "order.lua"
    script.write_text("for l in io.stdin:lines() do local a, b = l:match('(%S+) (%S+)'); print(({'<', '=', '>'})[rpm.vercmp(a, b) + 2], '\\n') end")
    return " ".join(ask(["rpm", "--version"], "")), ask(["rpm", "--eval", f"%{{lua: dofile('{script}')}}"], lines(asked))


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--count", type=int, default=600)
    options.add_argument("--seed", default="")
    options.add_argument("--to", type=pathlib.Path, default=HERE)
    options.add_argument("name", nargs="*", default=list(SHAPES))
    options = options.parse_args()
    for name in options.name:
        asked = pairs(name, options.count, options.seed)
        tool, said = globals()[name](asked)
        assert len(said) == len(asked), (name, len(said), len(asked))
        text = f"# {tool}\n" + "".join(f"{a} {s} {b}\n" for (a, b), s in zip(asked, said))
        (options.to / (name + ".txt")).write_text(text)
        print(name, tool, {s: said.count(s) for s in sorted(set(said))})
