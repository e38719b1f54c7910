package evidence

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	testresult "github.com/in-toto/attestation/go/predicates/test_result/v0"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

const (
	testResultType = "https://in-toto.io/attestation/test-result/"
	intotoPayload  = "application/vnd.in-toto+json"
)

// readTestResult reads an in-toto statement with the predicate test-result (in-toto attestation
// framework), bare or in a DSSE envelope. Signatures stay in the file and are not checked here.
func readTestResult(file []byte) (Result, error) {
	envelope, err := decodeJSON[struct {
		Payload string `json:"payload"`
	}](file)
	if err != nil {
		return Result{}, err
	}
	if envelope.Payload != "" {
		if file, err = decodeBase64(envelope.Payload); err != nil {
			return Result{}, unreadable("DSSE: the payload is not base64: %v", err)
		}
		file = textOf(file)
	}
	loose := protojson.UnmarshalOptions{DiscardUnknown: true}
	var statement intoto.Statement
	if err := loose.Unmarshal(file, &statement); err != nil {
		return Result{}, unreadable("in-toto: %v", err)
	}
	if !strings.HasPrefix(statement.GetPredicateType(), testResultType) {
		return Result{}, unreadable("in-toto: the predicate is %q; only test-result is supported", statement.GetPredicateType())
	}
	text, err := statement.GetPredicate().MarshalJSON()
	if err != nil {
		return Result{}, unreadable("in-toto: %v", err)
	}
	var p testresult.TestResult
	if err := loose.Unmarshal(jsontext.Value(text), &p); err != nil {
		return Result{}, unreadable("in-toto test-result: %v", err)
	}
	run := newTestRun()
	for _, name := range append(p.GetPassedTests(), p.GetWarnedTests()...) {
		run.add(testID{name: name}, passed)
	}
	for _, name := range p.GetFailedTests() {
		run.add(testID{name: name}, failed)
	}
	res := run.result()
	switch p.GetResult() { // the lists are optional; the result is not
	case "PASSED", "WARNED":
		if res.Failed == 0 {
			res.Conclusion = "success"
		}
	case "FAILED":
		res.Conclusion = "failure"
	default:
		return Result{}, unreadable("in-toto test-result: the result is %q, which is not PASSED, WARNED or FAILED", p.GetResult())
	}
	return res, nil
}
