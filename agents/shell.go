package agents

import (
	"slices"
	"strings"
)

// A simpleCommand is a program with its arguments, as a shell starts it.
type simpleCommand struct {
	words []string
	open  bool // a word contains a pattern of file names, which becomes any words
}

// simple splits a command line into commands that consist of words. It fails for a long line, and
// for everything that a shell might read in another way: variables, substitutions, escapes, groups, assignments, comments,
// background jobs, and redirections to anything but /dev/null and the standard streams.
func simple(line string) (commands []simpleCommand, ok bool) {
	if len(line) > maxCommand {
		return nil, false
	}
	l := lexer{rest: line}
	for {
		c, more, ok := l.command()
		if !ok {
			return nil, false
		}
		if len(c.words) > 0 {
			commands = append(commands, c)
		}
		if !more {
			return commands, len(commands) > 0
		}
	}
}

// A lexer reads a command line.
type lexer struct{ rest string }

// separators end a command; the longest is first.
var separators = []string{"&&", "||", "|", ";", "\n"}

// redirections are those that write no file.
var redirections = []string{"2>&1", "1>&2", ">&2", "2>/dev/null", "1>/dev/null", ">/dev/null", "&>/dev/null", "2> /dev/null", "> /dev/null"}

// command reads the next command. more says that a separator ended it.
func (l *lexer) command() (c simpleCommand, more, ok bool) {
	for {
		l.rest = strings.TrimLeft(l.rest, " \t")
		if l.rest == "" {
			return c, false, true
		}
		if s := l.next(separators); s != "" {
			return c, true, len(c.words) > 0 || s == "\n"
		}
		if l.redirection() {
			continue
		}
		before := len(l.rest)
		w, pattern, ok := l.word()
		if !ok || len(l.rest) == before || len(c.words) == 0 && (strings.Contains(w, "=") || pattern || w == "") {
			return c, false, false
		}
		c.words, c.open = append(c.words, w), c.open || pattern
	}
}

// next removes the first of some texts with which the rest begins, and returns it.
func (l *lexer) next(texts []string) string {
	for _, t := range texts {
		if after, ok := strings.CutPrefix(l.rest, t); ok {
			l.rest = after
			return t
		}
	}
	return ""
}

// redirection removes a redirection that writes no file.
func (l *lexer) redirection() bool {
	before := l.rest
	if l.next(redirections) != "" && (l.rest == "" || strings.ContainsAny(l.rest[:1], " \t\n;|")) {
		return true
	}
	l.rest = before
	return false
}

// word reads a word. pattern says that it contains a pattern of file names.
func (l *lexer) word() (w string, pattern, ok bool) {
	var b strings.Builder
	for i := 0; i < len(l.rest); i++ {
		switch c := l.rest[i]; {
		case strings.IndexByte(" \t\n;|&", c) >= 0:
			l.rest = l.rest[i:]
			return b.String(), pattern, true
		case c == '\'' || c == '"':
			text, after, closed := strings.Cut(l.rest[i+1:], string(c))
			if !closed || c == '"' && strings.ContainsAny(text, "$`\\!") || strings.IndexByte(text, 0) >= 0 {
				return "", false, false
			}
			b.WriteString(text)
			l.rest, i = after, -1
		case strings.IndexByte("*?[", c) >= 0:
			pattern = true
			b.WriteByte(c)
		case strings.IndexByte("$`\\(){}<>#!~^", c) >= 0 || c < ' ' || c >= 0x7f:
			return "", false, false
		default:
			b.WriteByte(c)
		}
	}
	l.rest = ""
	return b.String(), pattern, true
}

// looking are programs that write nothing and start nothing, whatever their arguments are.
var looking = words("ls pwd cat head tail wc echo true false basename dirname realpath readlink stat du df which whoami id uname cut tr nl tac rev fold column comm cmp diff md5sum sha1sum sha256sum sha512sum cksum seq grep egrep fgrep jq od strings cd sleep")

// options of other programs that make them write a file or start a program. A long one also counts
// if it is shortened, and a letter anywhere among short ones.
var harmful = map[string]struct{ long, letters string }{
	"rg":   {"--pre --hostname-bin", ""},
	"sort": {"--output --compress-program --temporary-directory", "oT"},
	"tree": {"--output", "oR"},
	"file": {"--compile", "C"},
	"find": {"-exec -execdir -ok -okdir -delete -fls -fprint -fprint0 -fprintf", ""},
}

// looks are commands of git that write nothing, whatever their other arguments are, unless they have
// one of gitHarmful.
var looks = words("status log diff show blame rev-parse ls-files ls-tree cat-file shortlog rev-list merge-base name-rev diff-tree for-each-ref count-objects check-ignore grep")

const gitHarmful = "--output --ext-diff --textconv --filters --open-files-in-pager"

// lists are commands of git that list something if their arguments are among these.
var lists = map[string]map[string]bool{
	"branch":   words("-a -r -v -vv --list --all --remotes --show-current"),
	"tag":      words("-l --list"),
	"remote":   words("-v show"),
	"stash":    words("list"),
	"worktree": words("list"),
}

// reads reports whether a command surely only reads. atRoot says that it runs in the folder that
// contains .git.
func (c simpleCommand) reads(atRoot bool) bool {
	name, arguments := c.words[0], c.words[1:]
	if looking[name] {
		return name != "cd" || len(arguments) <= 1
	}
	if c.open {
		return false // the name of a file may be an option
	}
	if name == "git" {
		return atRoot && gitReads(arguments)
	}
	bad, known := harmful[name]
	return known && !slices.ContainsFunc(arguments, func(a string) bool { return isOption(a, bad.long, bad.letters) })
}

func gitReads(arguments []string) bool {
	if len(arguments) > 0 && arguments[0] == "--no-pager" {
		arguments = arguments[1:]
	}
	if len(arguments) == 0 {
		return false
	}
	command, rest := arguments[0], arguments[1:]
	if only, ok := lists[command]; ok {
		return (len(rest) > 0 || command != "stash" && command != "worktree") && !slices.ContainsFunc(rest, func(a string) bool { return !only[a] })
	}
	letters := ""
	if command == "grep" {
		letters = "O"
	}
	return looks[command] && !slices.ContainsFunc(rest, func(a string) bool { return isOption(a, gitHarmful, letters) })
}

// isOption reports whether an argument may be one of some options.
func isOption(argument, long, letters string) bool {
	name, _, _ := strings.Cut(argument, "=")
	switch {
	case len(name) < 2 || name[0] != '-':
		return false
	case name[1] != '-' && strings.ContainsAny(name[1:], letters):
		return true
	case name == "--":
		return false
	}
	for o := range strings.FieldsSeq(long) {
		if o == name || name[1] == '-' && strings.HasPrefix(o, name) {
			return true
		}
	}
	return false
}
