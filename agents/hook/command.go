package hook

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// commands returns which programs a shell command runs, such as npm test or pytest, and nothing
// else: arguments, variables and URLs may contain secrets.
func commands(line string) (out []string) {
	for _, part := range separators.Split(quotes.ReplaceAllString(line, "''"), -1) {
		if c := command(strings.Fields(part)); c != "" && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

var (
	quotes = regexp.MustCompile(`'[^']*'|"(?:\\.|[^"\\])*"`)
	// separators end a command.
	separators = regexp.MustCompile(`&&|\|\||[;|&\n()]`)
	assignment = regexp.MustCompile(`^[A-Za-z_]\w*\+?=`)
	program    = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9._+-]{0,30}$`)
)

func words(text string) map[string]bool {
	out := make(map[string]bool)
	for _, w := range strings.Fields(text) {
		out[w] = true
	}
	return out
}

var (
	// wrappers run the command that follows them.
	wrappers = words("sudo env time nice nohup command exec xvfb-run stdbuf npx pnpx bunx uvx pipx")
	// known programs, which a message may name. Any other word may be anything, such as a secret.
	programs = words("pytest jest vitest mocha tox nox rspec phpunit ruff eslint mypy tsc clippy semgrep trivy grype osv-scanner govulncheck staticcheck golangci-lint gotestsum bandit pip-audit checkov gosec hadolint shellcheck gitleaks cargo-audit ctest cmake ninja meson pylint flake8 black prettier stylelint karma cypress playwright ava tap ginkgo pre-commit snyk detekt ktlint swiftlint rubocop credo dialyzer checkstyle spotbugs curl wget ssh scp git kubectl terraform docker ansible helm aws gcloud az psql mysql node python ruby php java perl bash sh rm cp mv cat ls grep sed awk find chmod chown pip")
	// programs whose first argument says what they do.
	withVerb = words("npm pnpm yarn bun deno go cargo make just task mvn gradle gradlew mvnw dotnet bazel rake bundle composer poetry uv hatch pdm git docker terraform helm kubectl mix sbt swift flutter dart nx turbo lerna rails npm-run-all ng vue cmake playwright")
	// verbs are the words that are reported.
	verbs = words("test tests t check verify lint vet build compile run install ci audit clippy fmt format typecheck type-check unit integration e2e coverage cover bench clean package validate plan apply doc docs all exec spec nextest up upgrade update add commit push pull status diff log checkout clone merge rebase fetch get list deploy release ps images logs describe create delete")
)

func command(fields []string) string {
	for len(fields) > 0 && (assignment.MatchString(fields[0]) || wrappers[path.Base(fields[0])] || strings.HasPrefix(fields[0], "-")) {
		fields = fields[1:]
	}
	if len(fields) == 0 {
		return ""
	}
	name := path.Base(fields[0])
	if python.MatchString(name) && len(fields) > 2 && fields[1] == "-m" && programs[fields[2]] {
		return name + " -m " + fields[2]
	}
	if python.MatchString(name) {
		return name
	}
	if !program.MatchString(name) || !programs[name] && !withVerb[name] {
		return ""
	}
	if withVerb[name] {
		for _, f := range fields[1:] {
			switch {
			case strings.HasPrefix(f, "-"):
				continue
			case f == "run" || f == "exec":
				name += " " + f
				continue
			case verb(f):
				return name + " " + f
			}
			break
		}
	}
	return name
}

var python = regexp.MustCompile(`^python[23]?(?:\.\d{1,2})?$`)

// verb reports whether a word says what a program does: one of verbs, or several, as
// test:unit.
func verb(word string) bool {
	for part := range strings.FieldsFuncSeq(word, func(c rune) bool { return c == ':' || c == '-' }) {
		if !verbs[part] {
			return false
		}
	}
	return word != ""
}
