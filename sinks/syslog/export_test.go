package syslog

import (
	"bufio"
	"strings"

	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/outline"
)

// Message is a document as a message.
func Message(format string, d sinks.Document) ([]byte, error) {
	o, err := outline.Of(d)
	if err != nil {
		return nil, err
	}
	return writer{host: "h", format: format, version: "1"}.message(d, o), nil
}

// Response reads a response of RELP.
func Response(text string) (int, string, error) {
	r, err := readResponse(bufio.NewReader(strings.NewReader(text)))
	return r.number, string(r.data), err
}
