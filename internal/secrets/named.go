package secrets

import (
	"strings"
)

// namedValue is the rule that finds a value by its name: NAME=value, name: value, --name value,
// <name>value</name>. The form of the value says little: passwords that people choose look like
// words.
const namedValue = "named-secret"

// mayAssign reports whether a name of a secret around a keyword may be followed by a value, as far
// as undecoded JSON shows.
func mayAssign(text, lower string, start int) bool {
	from, to := nameAround(lower, start)
	kind := kindOf(text[from:to])
	if kind == noSecret && from > 0 && lower[from-1] == ' ' && strings.HasPrefix(lower[from:to], "key") {
		kind = keyKind // perhaps "api key: …"
	}
	if kind == noSecret || to == len(lower) {
		return false
	}
	if lower[to] != ' ' && lower[to] != '\t' {
		return strings.IndexByte("=:>(\\\"'`]-,)", lower[to]) >= 0
	}
	if kind == passKind && to-from > len("pass") || strings.Contains(text[from:to], "_") {
		return true
	}
	rest := strings.TrimLeft(lower[to:min(len(lower), to+32)], " \t")
	return rest != "" && strings.IndexByte("=:\"'\\-", rest[0]) >= 0 || strings.HasPrefix(rest, "is ") || strings.HasPrefix(rest, "is: ") || strings.HasPrefix(rest, "was ") || from > 0 && (lower[from-1] == '-' || lower[from-1] == ' ' && strings.HasSuffix(lower[:from], "env "))
}

// assignments searches for values by their names.
func (s *search) assignments(hits []hit) error {
	done := 0
	for i, h := range hits {
		if i%256 == 0 && s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		if h.start < done {
			continue
		}
		from, to := nameAround(s.lower, h.start)
		done = to
		if to == from {
			continue
		}
		kind := kindOf(s.text[from:to])
		if kind == noSecret && (s.lower[from:to] == "key" || s.lower[from:to] == "keys") && from > 1 && s.text[from-1] == ' ' {
			if word := s.lower[strings.LastIndexByte(s.lower[:from-1], ' ')+1 : from-1]; word == "api" || word == "secret" || word == "access" || word == "private" || word == "license" || word == "encryption" {
				kind = tokenKind // "api key: …"
			}
		}
		if kind != noSecret {
			s.assignment(from, to, kind)
		}
	}
	return nil
}

// A value is a possible value of a name.
type value struct {
	start, end int
	quoted     bool
	name       string // the last part of its name
	spaced     bool   // there is white space before it
	compared   bool   // it is compared with the name, not assigned to it
	by         string // the separator: = : > ( flag space is word
}

// assignment checks the text after a name.
func (s *search) assignment(from, to int, kind nameKind) {
	v, ok := s.valueOf(from, to, kind)
	if !ok {
		return
	}
	if s.secretValue(v, from, to, kind) {
		s.add(v.start, v.end, namedValue)
	}
}

// valueOf returns the value after the name between from and to.
func (s *search) valueOf(from, to int, kind nameKind) (v value, ok bool) {
	i := s.over(to, "\\\"'`])", 6)
	quotedName := i > to
	at := s.over(i, " \t", 16)
	label, labelled := s.labelled(from, i)
	switch c := s.byteAt(at); {
	case labelled:
		v.by = "("
		at = label
	case c == '-' && s.byteAt(at+1) == '>':
		v.by = "="
		at += 2
	case c == '=' || c == ':':
		v.by = string(c)
		for at++; at < len(s.text) && strings.IndexByte("=>:~", s.text[at]) >= 0; at++ {
		}
		v.compared = s.text[at-1] == '=' && s.text[at-2] == '='
	case c == '>' && at == i:
		v.by = ">"
		at++
		if from < 1 || s.text[from-1] != '<' && s.text[from-1] != ':' && !quotedName {
			return v, false
		}
	case c == '(' && at == to && !quotedName:
		v.by = "("
		at++
	case c == ',' && quotedName && kind != keyKind:
		return s.next(from, at+1)
	case at > i && !quotedName && s.text[from-min(from, 1):from] == "-", at > i && quotedName && s.text[from-min(from, 1):from] == "-":
		v.by = "flag"
	case at > to && kind == passKind && to-from > 4 && c != 0 && strings.IndexByte("'\"", c) >= 0 && !quotedName:
		v.by = "space"
	case at > to && !quotedName && (strings.HasPrefix(s.lower[at:], "is ") || strings.HasPrefix(s.lower[at:], "is: ") || strings.HasPrefix(s.lower[at:], "was ")):
		v.by = "is"
		at += strings.IndexByte(s.lower[at:], ' ')
	case at > to && !quotedName && s.spacedValue(from, to, at, kind):
		v.by = "word"
	case at > to && !quotedName && from >= 4 && (s.text[from-4:from] == "ENV " || s.text[from-4:from] == "ARG "):
		v.by = "="
	default:
		return v, false
	}
	space := s.over(at, " \t", 32)
	if v.by == ":" && s.byteAt(space) == '\n' && quotedName {
		space = s.over(space, " \t\r\n", 64)
	}
	v.spaced = space > at
	s.read(space, &v)
	if word := s.lower[v.start:v.end]; v.by == ":" && !v.quoted && (word == "str" || word == "string" || word == "&str") {
		if next := s.over(v.end, " \t", 4); s.byteAt(next) == '=' { // password: str = "…"
			v.by, v.spaced = "=", true
			s.read(s.over(next+1, " \t", 4), &v)
		}
	}
	return v, v.end > v.start
}

// next returns the value after a quoted name in a list, as in setenv("DB_PASSWORD", "…"), or beside
// it, as in {"name":"DB_PASSWORD","value":"…"}.
func (s *search) next(from, at int) (v value, ok bool) {
	before := from
	for before > 0 && strings.IndexByte("\"'\\", s.text[before-1]) >= 0 {
		before--
	}
	if before == 0 || strings.IndexByte("([-", s.text[before-1]) < 0 {
		return v, false
	}
	at = s.over(at, " \t\r\n", 16)
	v.by = "("
	s.read(at, &v)
	if !v.quoted || s.byteAt(at) == '`' || s.byteAt(s.over(v.end, "\\\"' ", 6)) == ':' || kindOf(s.text[v.start:v.end]) != noSecret {
		return v, false
	}
	return v, v.end > v.start
}

// labelled handles a name that is itself a value, with its own value beside it, as in name:
// DB_PASSWORD, value: x. It returns where that value begins.
func (s *search) labelled(from, at int) (value int, ok bool) {
	before := from
	for before > 0 && strings.IndexByte("\"'\\ \t", s.text[before-1]) >= 0 {
		before--
	}
	if before == 0 || strings.IndexByte(":=", s.text[before-1]) < 0 {
		return 0, false
	}
	label := s.over(at, ", \t\r\n\\nrt\"'", 48)
	for _, word := range []string{"value", "val", "default"} {
		if rest, found := strings.CutPrefix(s.lower[label:], word); found {
			rest = strings.TrimLeft(rest[:min(len(rest), 8)], "\\\"' \t")
			if rest == "" || rest[0] != ':' && rest[0] != '=' {
				return 0, false
			}
			sign := strings.IndexByte(s.text[label:], rest[0])
			return label + sign + 1, true
		}
	}
	return 0, false
}

// spacedValue reports whether a name followed by only a space has a value that looks like a
// password or a key, as in commands and configuration files.
func (s *search) spacedValue(from, to, at int, kind nameKind) bool {
	if to-from <= len("pass") || kind != passKind && (kind != tokenKind || !strings.Contains(s.text[from:to], "_")) {
		return false
	}
	var v value
	v.by = "word"
	s.read(at, &v)
	text := s.text[v.start:v.end]
	return len(text) >= 6 && !v.quoted && machine().MatchString(text) && hasDigit(text) && strings.ContainsFunc(text, func(c rune) bool { return c >= 'A' && c <= 'z' }) && !algorithm().MatchString(text)
}

// The forms of values after a name and a space.
var (
	machine   = lazy(`^[A-Za-z0-9+/=!@#$%^&*._~-]+$`)
	algorithm = lazy(`(?i)^(?:sha|md|utf|aes|base|rfc|v|ipv|x|http|oauth|pbkdf|argon|bcrypt|int|u?int|char|varchar|p|t|\d).{0,3}\d`)
)

// over skips at most n of the given characters.
func (s *search) over(i int, characters string, n int) int {
	for to := min(len(s.text), i+n); i < to && strings.IndexByte(characters, s.text[i]) >= 0; i++ {
	}
	return i
}

func (s *search) byteAt(i int) byte {
	if i < len(s.text) {
		return s.text[i]
	}
	return 0
}

const maxValue = 8 << 10

// read reads the value that begins at i.
func (s *search) read(i int, v *value) {
	for _, wrap := range []string{"[]byte(", "string(", "buffer.from(", "string::from(", "b", "r", "f", "@", "u", "l"} {
		if strings.HasPrefix(s.lower[min(i, len(s.lower)):], wrap) && strings.IndexByte("\"'`", s.byteAt(i+len(wrap))) >= 0 && s.byteAt(i+len(wrap)) != 0 {
			i += len(wrap)
			break
		}
	}
	at := s.over(i, "\\", 4)
	limit := min(len(s.text), i+maxValue)
	if q := s.byteAt(at); q == '"' || q == '\'' || q == '`' {
		v.quoted, v.start = true, at+1
		for v.end = v.start; v.end < limit; v.end++ {
			if c := s.text[v.end]; c == q && (s.text[v.end-1] != '\\' || at > i) || c == '\n' && v.by != ":" {
				break
			}
		}
		for v.end > v.start && at > i && s.text[v.end-1] == '\\' { // the quotes are escaped
			v.end--
		}
		return
	}
	v.quoted, v.start = false, i
	for v.end = i; v.end < limit; v.end++ {
		c := s.text[v.end]
		if c <= ' ' || c == '"' || c == '`' || c == '\'' && v.by != ":" || v.by == ">" && c == '<' || v.end > i && (c == '&' || c == ';') && s.pairFollows(v.end+1) || c == ',' && s.pairFollows(s.over(v.end+1, " ", 2)) {
			break
		}
		if c == '\\' && v.end+1 < limit && strings.IndexByte("nrt\"'", s.text[v.end+1]) >= 0 {
			break
		}
	}
	for v.end > v.start && strings.IndexByte(",;)]}.:", s.text[v.end-1]) >= 0 && (s.text[v.end-1] != '.' || v.by == "is") && s.text[v.start] != '$' && s.text[v.start] != '{' {
		v.end--
	}
}

// pairFollows reports whether another name with its value follows, or the text ends.
func (s *search) pairFollows(i int) bool {
	if i >= len(s.text) || s.text[i] <= ' ' || s.text[i] == '"' || s.text[i] == '\'' {
		return true
	}
	to := i
	for to < min(len(s.text), i+maxName) && (nameByte(s.text[to]) || s.text[to] == ' ') {
		to++
	}
	return to > i && to < len(s.text) && (s.text[to] == '=' || s.text[to] == ':')
}

var (
	// placeholder matches a text that stands for a value from elsewhere.
	placeholder = lazy(`^(?:\$\{?[A-Za-z_][\w.:?-]*\}?|\$\{\{.*|\$\(.*|\$\d|%[A-Za-z_]\w*%|%[sdqvT]|<[^>]*>?|\{\{.*|\{[\w.]*\}?|\[redacted.*|\(hidden\)|(?i:\[?redacted\]?)|[*xX.•…-]+|@[A-Z_]+@|(?:process\.env|os\.environ|os\.getenv|ENV|System\.getenv|secrets|vars|env|var|local|data|module)[.\[(].*|!(?:Ref|GetAtt|Sub|vault|secret)\b.*|arn:.*)$`)
	// nothing are values that say that there is none, or of what type it is.
	nothing = set(`null none nil true false undefined yes no on off string str bool int number object array bytes text char varchar required optional empty unset missing invalid wrong incorrect expired not is are was must should may can will the a an and or of for in to with from by as it this that if when then be been has have needed unknown n/a todo tbd default any str, error failed failure ok changed reset expected unexpected type password? hidden input interface{} []byte *string`)
	code    = lazy(`^[A-Za-z_&*!][\w]*(?:(?:\.|::|->)[A-Za-z_]\w*)*(?:[(\[{].*)?$`)
	path    = lazy(`^(?:~|\.{1,2})?(?:/[\w.@-]{1,40}){2,}/?$|^(?:\.{1,2}|~)/[\w./@-]+$|^[A-Za-z]:\\[\w.\\ -]+$|^[\w./-]+\.(?:go|py|js|ts|json|ya?ml|txt|pem|key|crt|md|java|rb|sh|toml|env)$`)
	number  = lazy(`^[-+]?[0-9.,]+[a-zA-Z%]?$`)
	spoken  = lazy(`^[A-Za-z',.:;!?() -]+$`)
)

// secretValue reports whether a value is the secret that its name, between from and to, announces.
func (s *search) secretValue(v value, from, to int, kind nameKind) bool {
	text := s.text[v.start:v.end]
	lower := s.lower[v.start:v.end]
	if len(text) < 3 || placeholder().MatchString(text) || nothing()[strings.TrimRight(lower, ",;.")] || path().MatchString(text) {
		return false
	}
	if v.by == "(" && !v.quoted && !v.spaced || v.compared && !v.quoted {
		return false
	}
	name := s.text[from:to]
	if kind == passKind && strings.EqualFold(name, "pass") && (v.by == ":" && !v.quoted || number().MatchString(text)) {
		return false // PASS: TestX, pass=12
	}
	if v.by == "word" || v.by == ">" && kind >= tokenKind {
		return true
	}
	if v.by == "(" && kind != passKind && !hasDigit(text) {
		return false
	}
	if v.quoted {
		return secretText(text, kind, v.by == "(" || v.by == ":" || v.spaced)
	}
	if v.by == "is" {
		return hasDigit(text) && len(text) >= 6
	}
	v.name = strings.ToLower(name[strings.LastIndexAny(name, "._-")+1:])
	lastByName := v.by == "=" && v.spaced && s.iniLine(from, v.end)
	return bareValue(text, kind, v, lastByName)
}

// secretText reports whether a quoted text is a secret. shown says that it may also be a text for
// people.
func secretText(text string, kind nameKind, shown bool) bool {
	words := len(strings.Fields(text))
	switch {
	case strings.HasSuffix(strings.TrimSpace(text), ":"): // Password:
		return false
	case kind == authKind:
		return basic(text) || random(text)
	case kind == keyKind:
		return words == 1 && random(text)
	case kind == tokenKind && (words > 1 || number().MatchString(text)):
		return words > 1 && words < 4 && !spoken().MatchString(text)
	case kind == tokenKind && shown && spoken().MatchString(text) && len(text) < 16:
		return false
	}
	return words <= 2 || !spoken().MatchString(text)
}

// bareValue reports whether an unquoted value is a secret. ini says that name and value are a line
// of their own.
func bareValue(text string, kind nameKind, v value, ini bool) bool {
	codeLike := code().MatchString(text)
	switch {
	case strings.HasSuffix(text, "(") || codeLike && (strings.ContainsAny(text, "([{") || kindOf(text) != noSecret), strings.HasPrefix(text, "http://"), strings.HasPrefix(text, "https://"):
		return false
	case strings.IndexByte("[({&*", text[0]) >= 0 && (kind != passKind || !v.spaced || text[0] == '(' || text[0] == '['):
		return false
	case kind == passKind && v.spaced && v.name == "pwd" && letters(text):
		return false
	case kind == authKind:
		return basic(text) || random(text)
	case kind == keyKind:
		return random(text)
	case kind == passKind && v.by == "=" && v.spaced && codeLike:
		return ini || hasDigit(text) && !strings.ContainsAny(text, "._")
	case kind == passKind:
		return !codeLike || !strings.ContainsAny(text, ".") || v.by != ":"
	case number().MatchString(text):
		return false
	case letters(text):
		return len(text) >= 20 || v.by == "=" && !v.spaced && kindOf(text) == noSecret && len(text) >= 6 || v.by == "flag" && kindOf(text) == noSecret
	case codeLike && strings.ContainsAny(text, ".:>_") && !hasDigit(text):
		return false
	case v.spaced && codeLike && len(text) < 16 && !hasDigit(text):
		return false
	}
	return !spoken().MatchString(text) || len(text) >= 8 && !v.spaced
}

// iniLine reports whether a name and its value are a line of their own.
func (s *search) iniLine(from, end int) bool {
	begin := from
	for begin > 0 && (s.text[begin-1] == ' ' || s.text[begin-1] == '\t') {
		begin--
	}
	end = s.over(end, " \t\r", 16)
	return (begin == 0 || s.text[begin-1] == '\n') && (end == len(s.text) || s.text[end] == '\n')
}

func letters(text string) bool {
	return strings.IndexFunc(text, func(c rune) bool { return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') }) < 0
}

// random reports whether a value looks machine-made.
func random(text string) bool {
	if len(text) < 16 || identity().MatchString(text) || strings.ContainsAny(text, " \t\n/") {
		return false
	}
	return hasDigit(text) && strings.ContainsAny(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz") && entropyOf(text) > 3.2
}
