// Package printable shows what would steer a terminal, or hide, in text that others wrote.
//
// A title may hold escape sequences, which a terminal obeys, and characters that turn the
// direction of writing around or have no width, so that a reader sees another text than
// there is. They are shown as JSON writes them, as in \u001b: JSON that is printed
// means the same as before.
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

// A Writer writes to another, with what is not printable shown. Lines, tabs and the end
// of a line in Windows stay. It may be used by several at a time.
type Writer struct {
	mu   sync.Mutex
	to   io.Writer
	rest []byte // the beginning of a character whose end was not written yet
}

// NewWriter returns a Writer to out.
func NewWriter(out io.Writer) *Writer { return &Writer{to: out} }

// Raw is where w writes to, for what is our own alone, as a line that is written over.
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

// Flush writes what of a character was written.
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

// complete is how many bytes of text are whole characters.
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

// Show returns text with what is not printable shown. Bytes that are no UTF-8, which some
// terminals take for commands of one byte, are shown, too.
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

// hidden reports whether a character is not to reach a terminal: controls, what formats
// (the directions of writing, characters without width, tags) and the separators of lines
// that are no \n.
func hidden(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp))
}

// maxLine bounds what is shown of a line, in bytes.
const maxLine = 300

// Line is a text of somebody else's as it may be shown in one line of a terminal.
func Line(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= maxLine {
		return text
	}
	return strings.ToValidUTF8(text[:maxLine], "") + "…"
}
