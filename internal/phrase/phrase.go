// Package phrase says in words what libraries say about a file, a request or a connection.
package phrase

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/mistake"
)

// Error returns the message of an error, with the messages of libraries in plain words.
func Error(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	for _, inner := range chain(err) {
		if words, ok := inWords(inner); ok {
			text = strings.ReplaceAll(text, inner.Error(), words)
		}
	}
	return text
}

// chain returns an error with all errors that it wraps, the outer ones first.
func chain(err error) []error {
	out := []error{err}
	switch w := err.(type) { //nolint:errorlint // it is the wrapping that is asked for
	case interface{ Unwrap() error }:
		if inner := w.Unwrap(); inner != nil {
			out = append(out, chain(inner)...)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range w.Unwrap() {
			out = append(out, chain(inner)...)
		}
	}
	return out
}

// JSON returns a JSON reader's error about text, with the line and the column.
func JSON(text []byte, err error) error {
	var syntax *jsontext.SyntacticError
	var kind *json.SemanticError
	at := int64(-1)
	switch {
	case errors.As(err, &syntax):
		at = syntax.ByteOffset
	case errors.As(err, &kind):
		at = kind.ByteOffset
	}
	m := &mistake.Mistake{What: Error(err)}
	if at >= 0 && at <= int64(len(text)) {
		before := text[:at]
		m.Line, m.Column = 1+bytes.Count(before, []byte("\n")), len(before)-bytes.LastIndexByte(before, '\n')
	}
	return m
}

// inWords translates an error of a library into plain words; false if it does not know the error.
func inWords(err error) (string, bool) {
	switch e := err.(type) { //nolint:errorlint // Error goes through what err wraps
	case *jsontext.SyntacticError:
		return syntactic(e), true
	case *json.SemanticError:
		return semantic(e), true
	case *xml.SyntaxError:
		return fmt.Sprintf("line %d: this is not XML: %s", e.Line, xmlWords(e.Msg)), true
	case *csv.ParseError:
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, csvWords(e.Err)), true
	case base64.CorruptInputError:
		return fmt.Sprintf("character %d is not base64", int64(e)+1), true
	case *time.ParseError:
		return fmt.Sprintf("%q is not a time, for example 2026-11-12T03:47:00Z", e.Value), true
	case *strconv.NumError:
		return fmt.Sprintf("%q is not a number that fits", e.Num), true
	case *net.OpError:
		return connection(e)
	case *fs.PathError:
		return path(e)
	}
	switch err {
	case gzip.ErrHeader, gzip.ErrChecksum: //nolint:errorlint // Error goes through what err wraps
		return "this is not gzip, or it is damaged", true
	case io.ErrUnexpectedEOF:
		return "it ends in the middle", true
	}
	return "", false
}

func syntactic(e *jsontext.SyntacticError) string {
	what := e.Error()
	switch {
	case errors.Is(e, io.ErrUnexpectedEOF) || errors.Is(e, io.EOF):
		return "this JSON ends in the middle of a value; is all of it there?"
	case errors.Is(e, jsontext.ErrDuplicateName):
		name := e.JSONPointer.LastToken()
		return fmt.Sprintf("the name %q is given twice in one object", name)
	case strings.Contains(what, "UTF-8"):
		return "this is not JSON: it is not text in UTF-8"
	}
	where := fmt.Sprintf(" at byte %d", e.ByteOffset+1)
	if _, after, ok := strings.Cut(what, "invalid character "); ok {
		character, _, _ := strings.Cut(after, " ")
		return "this is not JSON: " + character + " is not expected" + where
	}
	return "this is not JSON" + where
}

func semantic(e *json.SemanticError) string {
	path := strings.TrimPrefix(strings.ReplaceAll(string(e.JSONPointer), "/", "."), ".")
	if path != "" {
		path += ": "
	}
	if e.GoType != nil && e.Err == nil {
		return path + "expected " + wanted(e.GoType) + ", found " + found(e.JSONKind)
	}
	if e.Err != nil {
		return path + Error(e.Err)
	}
	return path + "the value does not fit"
}

func found(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "true or false"
	case '"':
		return "a text"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "a list"
	}
	return "something else"
}

func wanted(t reflect.Type) string {
	if t == reflect.TypeFor[time.Time]() {
		return "a time, for example 2026-11-12T03:47:00Z"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Int32:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	}
	return "an object"
}

func xmlWords(message string) string {
	switch {
	case strings.Contains(message, "EOF"):
		return "it ends in the middle of an element; is all of it there?"
	case strings.Contains(message, "closed by"):
		return message
	case strings.Contains(message, "UTF-8"):
		return "it is not text in UTF-8"
	}
	return "a character is not expected here"
}

func csvWords(err error) string {
	switch {
	case errors.Is(err, csv.ErrFieldCount):
		return "this row has another number of values than the header"
	case errors.Is(err, csv.ErrQuote), errors.Is(err, csv.ErrBareQuote):
		return "a quotation mark is not closed, or is inside a value; double it"
	}
	return "this row cannot be read"
}

// connection explains why there is no connection.
func connection(e *net.OpError) (string, bool) {
	at := ""
	if e.Addr != nil {
		at = e.Addr.String()
	}
	switch {
	case errors.Is(e, syscall.ECONNREFUSED):
		return "nothing listens at " + at, true
	case errors.Is(e, syscall.EADDRINUSE):
		return at + " is in use", true
	case errors.Is(e, syscall.EADDRNOTAVAIL):
		return at + " is not an address of this machine", true
	case errors.Is(e, syscall.EACCES):
		return at + " cannot be used by this user; choose a port above 1023", true
	}
	return "", false
}

// path explains why a file cannot be used.
func path(e *fs.PathError) (string, bool) {
	switch {
	case errors.Is(e, fs.ErrNotExist):
		return "there is no file " + e.Path, true
	case errors.Is(e, fs.ErrPermission):
		return e.Path + " cannot be read or written by this user", true
	case errors.Is(e, syscall.EISDIR):
		return e.Path + " is a folder", true
	case errors.Is(e, syscall.ENOTDIR):
		return e.Path + " is inside something that is not a folder", true
	}
	return "", false
}
