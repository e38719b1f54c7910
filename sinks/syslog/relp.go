package syslog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/changetrail/changetrail/sinks"
)

// window is how many messages may wait for their acknowledgement.
const window = 128

// largestResponse bounds what a receiver answers to one message.
const largestResponse = 64 << 10

// relp sends messages over RELP (https://www.rsyslog.com/doc/relp.html) and returns the outcome of
// each. If the connection breaks, those that are not acknowledged are put again.
func (c *connection) relp(messages [][]byte) ([]sinks.Outcome, error) {
	if err := c.open(); err != nil {
		return nil, err
	}
	outcomes := make([]sinks.Outcome, len(messages))
	for i := range outcomes {
		outcomes[i] = sinks.Outcome{Kind: sinks.Retry, Cause: "no answer", Reason: "the receiver did not acknowledge the message before the connection ended"}
	}
	for from := 0; from < len(messages); from += window {
		part := messages[from:min(from+window, len(messages))]
		if err := c.exchange(part, outcomes[from:], from+2); err != nil {
			if from == 0 && outcomes[0].Kind == sinks.Retry {
				return nil, err // nothing was acknowledged
			}
			return outcomes, nil
		}
	}
	// What is acknowledged stays so, whether or not the connection ends in good order.
	_ = c.command(len(messages)+2, "close", nil)
	return outcomes, nil
}

// open begins a session.
func (c *connection) open() error {
	if err := c.command(1, "open", []byte("relp_version=0\nrelp_software=changetrail\ncommands=syslog\n")); err != nil {
		return fmt.Errorf("RELP: %w", err)
	}
	r, err := readResponse(c.in)
	if err != nil {
		return fmt.Errorf("RELP: the receiver does not answer: %w", err)
	}
	if r.number != 1 || r.status() != "200" {
		return fmt.Errorf("RELP: the receiver does not open a session: %q", r.data)
	}
	return nil
}

// exchange sends messages, whose numbers begin with first, and reads the answers, which come in any
// order.
func (c *connection) exchange(messages [][]byte, outcomes []sinks.Outcome, first int) error {
	w := bufio.NewWriterSize(c.Conn, 64<<10)
	for i, m := range messages {
		writeFrame(w, first+i, "syslog", m)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("RELP: sending: %w", err)
	}
	for answered := 0; answered < len(messages); {
		r, err := readResponse(c.in)
		if err != nil {
			return fmt.Errorf("RELP: reading acknowledgements: %w", err)
		}
		i := r.number - first
		if i < 0 || i >= len(messages) || outcomes[i].Kind != sinks.Retry {
			return fmt.Errorf("RELP: the receiver answers to message %d, which does not wait for an answer", r.number)
		}
		answered++
		if outcomes[i] = (sinks.Outcome{}); r.status() != "200" {
			outcomes[i] = sinks.Outcome{Kind: sinks.Unclear, Cause: "RELP " + r.status(), Reason: "the receiver does not accept the message: " + string(r.data)}
		}
	}
	return nil
}

func (c *connection) command(number int, name string, data []byte) error {
	w := bufio.NewWriter(c.Conn)
	writeFrame(w, number, name, data)
	return w.Flush()
}

// writeFrame writes number, command, length and data.
func writeFrame(w *bufio.Writer, number int, name string, data []byte) {
	_, _ = w.WriteString(strconv.Itoa(number) + " " + name + " " + strconv.Itoa(len(data))) // Flush returns the first error
	if len(data) > 0 {
		_ = w.WriteByte(' ')
		_, _ = w.Write(data)
	}
	_ = w.WriteByte('\n')
}

// A response is what the receiver answers to the command with a number.
type response struct {
	number int
	data   []byte
}

// status is the code at the beginning of a response; 200 is success.
func (r response) status() string {
	code, _, _ := strings.Cut(string(r.data), " ")
	return strings.TrimSpace(code[:min(len(code), 3)])
}

// readResponse reads a response.
func readResponse(in *bufio.Reader) (response, error) {
	number, err := readWord(in, 9)
	if err != nil {
		return response{}, err
	}
	name, err := readWord(in, 32)
	if err != nil {
		return response{}, err
	}
	if name == "serverclose" {
		return response{}, errors.New("the receiver closes the connection")
	}
	length, more, err := readLength(in)
	if err != nil {
		return response{}, err
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || name != "rsp" {
		return response{}, fmt.Errorf("%q %q is not a response of RELP", number, name)
	}
	data := make([]byte, length)
	if !more {
		return response{n, data}, nil
	}
	if _, err := io.ReadFull(in, data); err != nil {
		return response{}, err
	}
	if end, err := in.ReadByte(); err != nil || end != '\n' {
		return response{}, errors.New("a response of RELP is longer than it says")
	}
	return response{n, data}, nil
}

// readWord reads up to the next space; a word has at most so many characters.
func readWord(in *bufio.Reader, most int) (string, error) {
	var word []byte
	for {
		b, err := in.ReadByte()
		switch {
		case err != nil:
			return "", err
		case b == ' ':
			return string(word), nil
		case len(word) == most || b < '!' || b > '~':
			return "", fmt.Errorf("%q is not a response of RELP", append(word, b))
		}
		word = append(word, b)
	}
}

// readLength reads the length of the data, and reports whether data follows: after a length of 0
// the frame may end at once.
func readLength(in *bufio.Reader) (length int, more bool, err error) {
	var digits []byte
	for {
		b, err := in.ReadByte()
		if err != nil {
			return 0, false, err
		}
		if b >= '0' && b <= '9' && len(digits) < 9 {
			digits = append(digits, b)
			continue
		}
		n, err := strconv.Atoi(string(digits))
		switch {
		case err != nil, b != ' ' && b != '\n', b == '\n' && n > 0:
			return 0, false, fmt.Errorf("%q is not the length of a response of RELP", append(digits, b))
		case n > largestResponse:
			return 0, false, fmt.Errorf("a response of RELP of %d bytes is larger than %d", n, largestResponse)
		}
		return n, b == ' ', nil
	}
}
