// Package printable makes visible the characters in foreign text that would control a terminal or
// hide text.
//
// A title may contain escape sequences, which a terminal obeys, and characters that change the
// direction of writing or have no width, so that a reader sees a different text. They are shown in
// JSON's notation, for example \u001b, so that JSON that is printed keeps its meaning.
package printable

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// A Writer writes to another writer and makes unprintable characters visible. Line feeds, tabs and
// the line ends of Windows are kept. Several goroutines may use it.
type Writer struct {
	mu   sync.Mutex
	to   io.Writer
	rest []byte // the beginning of an incomplete character
}

// NewWriter returns a Writer to out.
func NewWriter(out io.Writer) *Writer { return &Writer{to: out} }

// Raw is the underlying writer, only for our own output, such as a line that is overwritten.
func (w *Writer) Raw() io.Writer { return w.to }

// Write implements [io.Writer].
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := p
	if len(w.rest) > 0 {
		text = append(w.rest, p...)
	}
	n := complete(text)
	_, err := w.to.Write(Show(text[:n]))
	w.rest = append([]byte(nil), text[n:]...)
	return len(p), err
}

// Flush writes the rest of an incomplete character.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.rest) == 0 {
		return nil
	}
	_, err := w.to.Write(Show(w.rest))
	w.rest = nil
	return err
}

// complete returns how many bytes of text are whole characters.
func complete(text []byte) int {
	n := len(text)
	if n > 0 && text[n-1] == '\r' { // a \n may follow
		return n - 1
	}
	for i := 1; i < utf8.UTFMax && i <= n; i++ {
		if utf8.RuneStart(text[n-i]) {
			if !utf8.FullRune(text[n-i:]) {
				return n - i
			}
			break
		}
	}
	return n
}

// Show returns text with unprintable characters made visible, and also invalid UTF-8, which some
// terminals interpret as commands of one byte.
func Show(text []byte) []byte {
	if !bytes.ContainsFunc(text, func(r rune) bool { return hidden(r) || r == utf8.RuneError }) {
		return text
	}
	var out bytes.Buffer
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, text[0])
		case r == '\r' && len(text) > 1 && text[1] == '\n':
			out.WriteByte('\r')
		case hidden(r):
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&out, `\u%04x`, unit)
			}
		default:
			out.Write(text[:size])
		}
		text = text[size:]
	}
	return out.Bytes()
}

// hidden reports whether a character must not reach a terminal: control characters, format
// characters (directions of writing, characters without width, tags) and line separators other than
// \n.
func hidden(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp))
}

// maxLine bounds how much of a line is shown, in bytes.
const maxLine = 300

// OneLine returns a foreign text in one line: it replaces characters that are not printable, and
// white space, by single spaces.
func OneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	return strings.Join(strings.Fields(text), " ")
}

// Line makes a foreign text safe to show in one line of a terminal.
func Line(text string) string {
	text = OneLine(text)
	if len(text) <= maxLine {
		return text
	}
	return strings.ToValidUTF8(text[:maxLine], "") + "…"
}

// Beginning returns at most n bytes of what a server answered, for a message. It ends with … if there
// is more, and is valid UTF-8.
func Beginning(text []byte, n int) string {
	if len(text) > n {
		return strings.ToValidUTF8(string(text[:n]), "") + "…"
	}
	return strings.ToValidUTF8(string(text), "")
}
