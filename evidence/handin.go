package evidence

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/changetrail/changetrail/record"
)

// ErrOtherKind reports a scanner's report in place of a test run's, or the other way
// round.
var ErrOtherKind = errors.New("a report of another kind")

// Scan reads the file that a scanner wrote, and returns the fact that hands it in.
func Scan(file []byte) (*record.Scan, Result, error) {
	result, err := readFile(file)
	if err == nil && !result.Scan {
		err = fmt.Errorf("%w: this is one of tests (%s), and none of a scanner", ErrOtherKind, result.Format)
	}
	if err != nil {
		return nil, result, err
	}
	s := &record.Scan{Tool: record.Tool{Name: toolOf(result), Version: result.ToolVersion}}
	s.Report, err = Pack(file, result.Format)
	return s, result, err
}

// toolOf is the name of the tool that wrote a report: what the report says, or else its
// format; none where the format says nothing of the tool either.
func toolOf(r Result) string {
	if r.Tool == "" && r.Format != emptyList {
		return r.Format
	}
	return r.Tool
}

// Validation reads the file that a test runner wrote, and returns the fact that hands
// it in. Its name is left for the caller.
func Validation(file []byte) (*record.Validation, Result, error) {
	result, err := readFile(file)
	if err == nil && result.Scan {
		err = fmt.Errorf("%w: this is one of a scanner (%s), and none of tests", ErrOtherKind, result.Format)
	}
	if err != nil {
		return nil, result, err
	}
	v := new(record.Validation)
	v.Report, err = Pack(file, result.Format)
	return v, result, err
}

func readFile(file []byte) (Result, error) {
	if len(bytes.TrimSpace(file)) == 0 {
		return Result{}, unreadable("the file is empty; a tool that ran writes a report even when it finds nothing, so look at how it ended")
	}
	return Read(file)
}
