package evidence

import (
	"errors"
	"fmt"

	"github.com/changetrail/changetrail/record"
)

// ErrOtherKind reports a scanner's report in place of a test run's, or the reverse.
var ErrOtherKind = errors.New("a report of another kind")

// Scan reads the report of a scanner, and returns the fact that carries it.
func Scan(file []byte) (*record.Scan, Result, error) {
	result, err := readFile(file)
	if err == nil && !result.Scan {
		err = fmt.Errorf("%w: this is a test report (%s), not a scan report", ErrOtherKind, result.Format)
	}
	if err != nil {
		return nil, result, err
	}
	s := &record.Scan{Tool: record.Tool{Name: toolOf(result), Version: result.ToolVersion}}
	s.Report, err = Pack(file, result.Format)
	return s, result, err
}

// toolOf returns the name of the tool that wrote a report: the one that the report states, or else
// its format. It is "" if the format does not identify the tool.
func toolOf(r Result) string {
	if r.Tool == "" && r.Format != emptyList {
		return r.Format
	}
	return r.Tool
}

// Validation reads the report of a test runner, and returns the fact that carries it. The caller
// sets its name.
func Validation(file []byte) (*record.Validation, Result, error) {
	result, err := readFile(file)
	if err == nil && result.Scan {
		err = fmt.Errorf("%w: this is a scan report (%s), not a test report", ErrOtherKind, result.Format)
	}
	if err != nil {
		return nil, result, err
	}
	v := new(record.Validation)
	v.Report, err = Pack(file, result.Format)
	return v, result, err
}

func readFile(file []byte) (Result, error) {
	if err := notEmpty(file); err != nil {
		return Result{}, err
	}
	return Read(file)
}
