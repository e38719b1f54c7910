package evidence

import (
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A reading is the expected result of a report: "failure 1 2 3" for the number of tests that
// passed, failed and did not run.
func reading(r Result, err error) string {
	if err != nil {
		return "refused"
	}
	text := fmt.Sprintf("%s %d %d %d", r.Conclusion, r.Passed, r.Failed, r.Skipped)
	if len(r.Partial) > 0 {
		text += " partial"
	}
	return text
}

func expect(t *testing.T, files map[string]struct{ file, want string }) {
	t.Helper()
	for name, c := range files {
		t.Run(name, func(t *testing.T) {
			r, err := Read([]byte(c.file))
			if got := reading(r, err); got != c.want {
				t.Errorf("%s, want %s: %v %v %v", got, c.want, r.Failing, r.Partial, err)
			}
		})
	}
}

func suite(attributes, tests string) string {
	return "<testsuite " + attributes + ">" + tests + "</testsuite>"
}

func suites(inner ...string) string {
	return "<testsuites>" + strings.Join(inner, "") + "</testsuites>"
}

const (
	aPassed  = `<testcase classname="c" name="a"/>`
	aFailed  = `<testcase classname="c" name="a"><failure message="x"/></testcase>`
	aSkipped = `<testcase classname="c" name="a"><skipped/></testcase>`
	bPassed  = `<testcase classname="c" name="b"/>`
)

// TestSameName: the success of one test does not hide the failure of another with the same name.
func TestSameName(t *testing.T) {
	goSuite := func(tests string) string {
		return suite(`name="p"`, `<properties><property name="go.version" value="go1.26"/></properties>`+tests)
	}
	expect(t, map[string]struct{ file, want string }{
		"two browsers":                       {suites(suite(`name="a.spec" hostname="firefox"`, aFailed), suite(`name="a.spec" hostname="chromium"`, aPassed)), "failure 1 1 0"},
		"the other order":                    {suites(suite(`name="a.spec" hostname="firefox"`, aPassed), suite(`name="a.spec" hostname="chromium"`, aFailed)), "failure 1 1 0"},
		"two suites of one name":             {suites(suite(`name="s"`, aFailed), suite(`name="s"`, aPassed)), "failure 1 1 0"},
		"a suite within another":             {suite(`name="s"`, aFailed+suite(`name="s"`, aPassed)+bPassed), "failure 2 1 0"},
		"files that were put together":       {suites(suites(suite(``, aFailed)), suites(suite(``, aPassed))), "failure 1 1 0"},
		"files one after the other":          {suites(suite(``, aPassed)) + "\n" + suites(suite(``, aFailed)), "failure 1 1 0"},
		"two files of one suite":             {suite(``, `<testcase name="a" file="x.js"><failure/></testcase><testcase name="a" file="y.js"/>`), "failure 1 1 0"},
		"one name with several parameters":   {suite(``, aFailed+aPassed+aPassed), "failure 0 1 0"},
		"attempts of pytest-rerunfailures":   {suite(``, aPassed+aPassed+aFailed+bPassed), "failure 1 1 0"},
		"attempts of it that passed":         {suite(``, aPassed+aPassed+bPassed), "success 2 0 0"},
		"one that was skipped, one that ran": {suite(``, aSkipped+aPassed), "success 1 0 0"},
		"an attempt of Gradle, not merged":   {suite(``, aFailed+aPassed+bPassed), "failure 1 1 0"},

		"Surefire, flaky":             {suite(`failures="0" flakes="1"`, `<testcase name="a"><flakyFailure message="x"><stackTrace>x</stackTrace></flakyFailure><flakyError/></testcase>`), "success 1 0 0"},
		"Surefire, run again in vain": {suite(`failures="1"`, `<testcase name="a"><failure/><rerunFailure><stackTrace/></rerunFailure><rerunError/></testcase>`), "failure 0 1 0"},
		"run again, and no word else": {suite(``, `<testcase name="a"><rerunFailure/></testcase>`), "failure 0 1 0"},

		"gotestsum, run again":                 {goSuite(aFailed + bPassed + aPassed), "success 2 0 0"},
		"gotestsum, run again twice":           {goSuite(aFailed + aFailed + bPassed + aPassed), "success 2 0 0"},
		"gotestsum, run again in vain":         {goSuite(aFailed + aFailed + bPassed), "failure 1 1 0"},
		"gotestsum, the root was run again":    {goSuite(aFailed + `<testcase classname="c" name="a/x"><failure/></testcase><testcase classname="c" name="a/y"/>` + bPassed + aPassed + `<testcase classname="c" name="a/x"/><testcase classname="c" name="a/y"/>`), "success 4 0 0"},
		"gotestsum -count=2":                   {goSuite(aFailed + bPassed + aPassed + bPassed), "failure 1 1 0"},
		"gotestsum -count=2 of one test":       {goSuite(aFailed + aPassed), "failure 0 1 0"},
		"gotestsum, beside another package":    {suites(goSuite(aFailed+aPassed), goSuite(bPassed)), "success 2 0 0"},
		"gotestsum, the failure is of another": {suites(goSuite(aFailed), goSuite(aPassed+bPassed)), "failure 2 1 0"},
	})
}

// TestVerdictOfTheWhole: what a suite or its counts say counts even if no test says it.
func TestVerdictOfTheWhole(t *testing.T) {
	expect(t, map[string]struct{ file, want string }{
		"an error is counted":            {suite(`tests="1" errors="1"`, aPassed), "failure 1 1 0"},
		"failures are counted outside":   {`<testsuites failures="2">` + suite(`tests="1"`, aPassed) + `</testsuites>`, "failure 1 2 0"},
		"counted within and outside":     {`<testsuites failures="1" errors="1">` + suite(`failures="1" errors="1"`, aPassed) + `</testsuites>`, "failure 1 2 0"},
		"counted and listed":             {suite(`failures="1" errors="0"`, aFailed+bPassed), "failure 1 1 0"},
		"two failures of one test":       {suite(`failures="1" errors="1"`, `<testcase name="a"><failure/><error/></testcase>`+bPassed), "failure 1 1 0"},
		"fewer are counted than listed":  {suite(`failures="0"`, aFailed), "failure 0 1 0"},
		"more tests than are counted":    {suite(`tests="1"`, aPassed+bPassed), "success 2 0 0"},
		"assertions counted as tests":    {suite(`tests="40" failures="0"`, aPassed), "success 1 0 0"}, // Catch2
		"an error beside the tests":      {suite(`name="s"`, aPassed+`<error message="x"/>`), "failure 1 1 0"},
		"a failure beside the tests":     {suite(`name="s"`, `<failure/>`+aPassed), "failure 1 1 0"},
		"a failure deep within":          {suite(``, `<testcase name="a"><properties><property name="x"><failure/></property></properties></testcase>`), "failure 0 1 0"},
		"a suite that says so":           {suite(`name="s" result="failed"`, aPassed), "failure 1 1 0"},
		"system errors are output":       {suite(`errors="0"`, aPassed+`<system-err>FATAL</system-err>`), "success 1 0 0"},
		"a count that is no number":      {suite(`failures="some"`, aPassed), "error 1 0 0 partial"},
		"a count below zero":             {suite(`failures="-1"`, aPassed), "error 1 0 0 partial"},
		"a count that is not there":      {suite(`failures=""`, aPassed), "success 1 0 0"},
		"no test":                        {suite(`tests="0"`, ""), "error 0 0 0"},
		"all skipped":                    {suite(``, aSkipped), "error 0 0 1"},
		"elements within output":         {suite(``, aPassed+`<system-out><b>bold</b></system-out>`), "success 1 0 0"},
		"what nobody knows":              {suite(``, aPassed+`<shards><shard/></shards>`), "error 1 0 0 partial"},
		"cut":                            {`<testsuites>` + suite(``, aPassed), "refused"},
		"go: TestMain fails":             {gotest("pass p A", "fail p"), "failure 1 1 0"},
		"go: a package fails, no test":   {gotest("start p", "fail p", "pass q A", "pass q"), "failure 1 1 0"},
		"go: it does not build":          {`{"ImportPath":"p [p.test]","Action":"build-fail"}` + "\n" + `{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}`, "failure 0 1 0"},
		"go: it does not build, no word": {`{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}`, "failure 0 1 0"},
		"go: -count=2":                   {gotest("start p", "run p A", "fail p A", "run p B", "pass p B", "run p A", "pass p A", "run p B", "pass p B", "fail p"), "failure 1 1 0"},
		"go: -count=2, the other order":  {gotest("start p", "pass p A", "fail p A", "fail p"), "failure 0 1 0"},
		"go: two jobs in one file":       {gotest("start p", "fail p A", "pass p B", "fail p", "start p", "pass p A", "pass p B", "pass p"), "failure 1 1 0"},
		"go: what failed was run again":  {gotest("start p", "fail p A", "pass p B", "fail p", "start p", "pass p A", "pass p"), "success 2 0 0"},
		"go: a panic":                    {gotest("start p", "run p A", "pass p A", "run p B", "fail p"), "failure 1 1 0"},
		"go: the last package is cut":    {gotest("start p", "pass p A", "pass p", "start q", "pass q B"), "failure 2 1 0"},
		"go: cut within a test":          {gotest("start p", "pass p A", "run p B"), "failure 1 1 0"},
		"go: old, cut":                   {gotest("run p A", "pass p A"), "failure 1 1 0"},
		"go: all is well":                {gotest("start p", "pass p A", "skip p B", "pass p", "skip q"), "success 1 0 1"},
		"go: no tests to run":            {gotest("start p", "pass p"), "error 0 0 0"},
		"go: only a start":               {gotest("start p"), "failure 0 1 0"},
	})
}

// gotest writes lines of go test -json: "action package test".
func gotest(events ...string) string {
	var out strings.Builder
	for _, e := range events {
		f := append(strings.Fields(e), "")
		fmt.Fprintf(&out, `{"Action":%q,"Package":%q`, f[0], f[1])
		if f[2] != "" {
			fmt.Fprintf(&out, `,"Test":%q`, f[2])
		}
		out.WriteString("}\n")
	}
	return out.String()
}

func TestWhatDidNotRun(t *testing.T) {
	one := func(attributes string) string {
		return suite(``, `<testcase name="x" `+attributes+`/>`+aPassed)
	}
	expect(t, map[string]struct{ file, want string }{
		"GoogleTest, ran":         {one(`status="run" result="completed"`), "success 2 0 0"},
		"GoogleTest, disabled":    {one(`status="notrun"`), "success 1 0 1"},
		"GoogleTest, filtered":    {one(`status="notrun" result="suppressed"`), "success 1 0 1"},
		"GoogleTest, skipped":     {one(`status="run" result="skipped"`), "success 1 0 1"},
		"CTest, disabled":         {one(`status="disabled"`), "success 1 0 1"},
		"CTest, failed":           {one(`status="fail"`), "failure 1 1 0"},
		"CTest, skipped itself":   {suite(``, aPassed+`<testcase name="x" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase>`), "success 1 0 1"},
		"CTest, no program":       {suite(``, aPassed+`<testcase name="x" status="notrun"><skipped message="Unable to find executable"/></testcase>`), "failure 1 1 0"},
		"CTest, no fixture":       {suite(``, aPassed+`<testcase name="x" status="notrun"><skipped message="Fixture dependency failed"/></testcase>`), "failure 1 1 0"},
		"node, to do, failed":     {suite(`failures="1"`, aPassed+`<testcase name="x" failure="no"><skipped type="todo"/><failure/></testcase>`), "success 1 0 1"},
		"node, to do, another":    {suite(`failures="2"`, aPassed+`<testcase name="x"><skipped type="todo"/><failure/></testcase><testcase name="y"><failure/></testcase>`), "failure 1 1 1"},
		"skipped, and failed":     {suite(``, aPassed+`<testcase name="x"><skipped/><failure/></testcase>`), "failure 1 1 0"},
		"pytest, broken off":      {suite(``, aPassed+`<testcase time="0.000"/>`), "error 1 0 0 partial"},
		"GoogleTest, only listed": {`<testsuites tests="2" name="AllTests"><testsuite name="a" tests="1"><testcase name="x" file="t.cc" line="3"/></testsuite></testsuites>`, "error 0 0 1"},
		"behave, failed":          {one(`status="failed"`), "failure 1 1 0"},
		"behave, untested":        {one(`status="untested"`), "success 1 0 1"},
		"behave, undefined":       {one(`status="undefined"`), "failure 1 1 0"},
		"Qt, expected to fail":    {one(`result="xfail"`), "success 1 0 1"},
		"NUnit's words":           {one(`result="Inconclusive"`), "success 1 0 1"},
		"a flag":                  {one(`disabled="true"`), "success 1 0 1"},
		"a flag that is down":     {one(`disabled="0" skipped="false"`), "success 2 0 0"},
		"Ginkgo, pending":         {one(`status="pending"`), "success 1 0 1"},
		"Ginkgo, panicked":        {one(`status="panicked"`), "failure 1 1 0"},
		"a word that nobody uses": {one(`status="so-so"`), "error 1 0 1 partial"},
		"an element":              {suite(``, aPassed+`<testcase name="x"><ignored/></testcase>`), "success 1 0 1"},
		"only such":               {suite(``, `<testcase name="x" status="notrun"/>`), "error 0 0 1"},
		"in-toto, it contradicts": {`{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://in-toto.io/attestation/test-result/v0.1","predicate":{"result":"WARNED","passedTests":["a"],"failedTests":["a"]}}`, "failure 0 1 0"},
	})
}

func TestTAP(t *testing.T) {
	expect(t, map[string]struct{ file, want string }{
		"version 12":                  {"1..2\nok 1 - a\nok 2\n", "success 2 0 0"},
		"version 13, the plan last":   {"TAP version 13\nok 1 - a\nnot ok 2 - b\n1..2\n", "failure 1 1 0"},
		"skipped and to do":           {"1..4\nok 1 # SKIP no net\nnot ok 2 - b # TODO later\nok 3 # todo\nok 4\n", "success 1 0 3"},
		"to do as a tag of a name":    {"1..1\nnot ok 1 - shows #todo\n", "failure 0 1 0"},
		"to do as part of a word":     {"1..1\nnot ok 1 - a # todos\n", "failure 0 1 0"},
		"skipped, and not ok":         {"1..1\nnot ok 1 # SKIP\n", "failure 0 1 0"},
		"it bails out":                {"1..2\nok 1\nBail out! no database\n", "failure 1 2 0"},
		"fewer than planned":          {"1..3\nok 1\nok 2\n", "failure 2 1 0"},
		"more than planned":           {"1..1\nok 1\nok 2\n", "failure 2 1 0"},
		"a number beyond the plan":    {"1..2\nok 1\nok 7\n", "failure 2 1 0"},
		"no plan":                     {"TAP version 13\nok 1\n", "failure 1 1 0"},
		"two plans":                   {"1..1\nok 1\n1..1\n", "failure 1 1 0"},
		"all skipped":                 {"1..0 # SKIP no Java\n", "error 0 0 0"},
		"subtests":                    {"TAP version 14\n# Subtest: a\n    ok 1 - x\n    ok 2 - y\n    1..2\nok 1 - a\n1..1\n", "success 2 0 0"},
		"a subtest fails":             {"TAP version 14\n    not ok 1 - x\n    1..1\nnot ok 1 - a\n1..1\n", "failure 0 1 0"},
		"a subtest fails in silence":  {"TAP version 14\n    not ok 1 - x\n    1..1\nok 1 - a\n1..1\n", "failure 0 1 0"},
		"a subtest is cut":            {"TAP version 14\n    1..2\n    ok 1 - x\nok 1 - a\n1..1\n", "failure 1 1 0"},
		"what holds them fails":       {"TAP version 14\n    ok 1 - x\n    1..1\nnot ok 1 - a\n1..1\n", "failure 1 1 0"},
		"what holds them is to do":    {"TAP version 14\n    not ok 1 - x\n    ok 2\n    1..2\nnot ok 1 - a # TODO\nok 2\n1..2\n", "success 1 0 2"},
		"subtests of subtests":        {"TAP version 14\n        not ok 1 - x\n        1..1\n    not ok 1 - y\n    1..1\nnot ok 1 - a\n1..1\n", "failure 0 1 0"},
		"YAML says ok":                {"TAP version 13\n1..1\nnot ok 1\n  ---\n  ok 2\n  ...\n", "failure 0 1 0"},
		"YAML that does not end":      {"TAP version 13\n1..1\nok 1\n  ---\n  got: 1\n", "failure 1 1 0"},
		"one name twice":              {"1..2\nnot ok 1 - a\nok 2 - a\n", "failure 1 1 0"},
		"files one after the other":   {"TAP version 13\n1..1\nok 1\nTAP version 13\n1..1\nnot ok 1\n", "failure 1 1 0"},
		"lines of something else":     {"> test\nhello\n1..1\n# diag\nok 1 - a\n", "success 1 0 0"},
		"what go test says in text":   {"ok  \texample.com/a\t0.1s\n", "refused"},
		"a plan of nothing, and what": {"1..0\nok 1\n", "failure 1 1 0"},
	})
}

func TestTRX(t *testing.T) {
	trx := func(results, summary string) string {
		return `<?xml version="1.0" encoding="utf-8"?><TestRun id="1" xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010"><Results>` + results + `</Results>` +
			`<TestDefinitions><UnitTest name="a" id="1"><TestMethod className="c" name="a"/></UnitTest></TestDefinitions>` + summary + `</TestRun>`
	}
	result := func(id, outcome string) string {
		return `<UnitTestResult executionId="` + id + `" testId="t" testName="N.C.a" outcome="` + outcome + `"><Output><ErrorInfo><Message>why</Message></ErrorInfo></Output></UnitTestResult>`
	}
	summary := func(outcome, counters string) string {
		return `<ResultSummary outcome="` + outcome + `"><Counters ` + counters + `/></ResultSummary>`
	}
	expect(t, map[string]struct{ file, want string }{
		"all passed":              {trx(result("1", "Passed")+result("2", "Passed"), summary("Completed", `total="2" passed="2" failed="0"`)), "success 2 0 0"},
		"one failed":              {trx(result("1", "Passed")+result("2", "Failed"), summary("Failed", `total="2" passed="1" failed="1"`)), "failure 1 1 0"},
		"timeout, aborted, error": {trx(result("1", "Timeout")+result("2", "Aborted")+result("3", "Error"), ""), "failure 0 3 0"},
		"not run":                 {trx(result("1", "NotExecuted")+result("2", "Inconclusive")+result("3", "NotRunnable")+result("4", "Passed"), summary("Completed", `total="4"`)), "success 1 0 3"},
		"no outcome":              {trx(`<UnitTestResult executionId="1" testName="a"/>`, ""), "failure 0 1 0"},
		"an outcome of its own":   {trx(result("1", "Mostly")+result("2", "Passed"), ""), "error 1 0 1 partial"},
		"the run failed":          {trx(result("1", "Passed"), summary("Failed", `total="1" failed="0"`)), "failure 1 1 0"},
		"the run was aborted":     {trx(result("1", "Passed"), summary("Aborted", ``)), "failure 1 1 0"},
		"the host crashed":        {trx(result("1", "Passed"), `<ResultSummary outcome="Completed"><RunInfos><RunInfo outcome="Error"><Text>crashed</Text></RunInfo></RunInfos></ResultSummary>`), "failure 1 1 0"},
		"counted, not listed":     {trx(result("1", "Passed"), summary("Completed", `total="2" failed="1"`)), "failure 1 1 0 partial"},
		"more than are listed":    {trx(result("1", "Passed"), summary("Completed", `total="9" passed="9"`)), "error 1 0 0 partial"},
		"rows of data": {trx(`<UnitTestResult executionId="0" testName="a" outcome="Failed" resultType="DataDrivenTest"><InnerResults>`+
			result("1", "Passed")+result("2", "Failed")+`</InnerResults></UnitTestResult>`, summary("Failed", `total="3" failed="2"`)), "failure 1 1 0"},
		"a run of another": {`<TestRun><SuccessfulTests/></TestRun>`, "refused"},
	})
}

func TestNUnitXUnitAndSonar(t *testing.T) {
	nunit := func(attributes, cases string) string {
		return `<test-run id="2" ` + attributes + `><test-suite type="Assembly" name="x.dll"><test-suite type="TestFixture" name="F">` + cases + `</test-suite></test-suite></test-run>`
	}
	xunit := func(attributes, errors, tests string) string {
		return `<assemblies timestamp="x"><assembly name="x.dll" ` + attributes + `>` + errors + `<collection name="c">` + tests + `</collection></assembly></assemblies>`
	}
	expect(t, map[string]struct{ file, want string }{
		"NUnit 3": {nunit(`result="Failed" total="3" failed="1"`, `<test-case id="1" fullname="F.a" result="Passed"/><test-case id="2" fullname="F.a" result="Failed"><failure><message>x</message></failure></test-case>`+
			`<test-case id="3" fullname="F.b" result="Skipped" label="Ignored"><reason/></test-case><test-case id="4" fullname="F.c" result="Inconclusive"/>`), "failure 1 1 2"},
		"NUnit 3, all passed":         {nunit(`result="Passed" total="1" failed="0"`, `<test-case id="1" fullname="F.a" result="Passed"/>`), "success 1 0 0"},
		"NUnit 3, warned":             {nunit(`result="Warning"`, `<test-case id="1" fullname="F.a" result="Warning"><assertions><assertion result="Warning"/></assertions></test-case>`), "success 1 0 0"},
		"NUnit 3, an assertion fails": {nunit(``, `<test-case id="1" fullname="F.a" result="Passed"><assertions><assertion result="Failed"/></assertions></test-case>`), "failure 0 1 0"},
		"NUnit 3, the tear-down":      {`<test-run result="Failed"><test-suite name="F" result="Failed" site="TearDown"><failure/><test-case id="1" name="a" result="Passed"/></test-suite></test-run>`, "failure 1 1 0"},
		"NUnit 3, of Unity":           {nunit(`result="Failed(Child)"`, `<test-case id="1" fullname="F.a" result="Failed"/>`), "failure 0 1 0"},
		"NUnit 3, no result":          {nunit(``, `<test-case id="1" fullname="F.a"/><test-case id="2" fullname="F.b" result="Passed"/>`), "error 1 0 1 partial"},
		"NUnit 3, more than listed":   {nunit(`total="9" result="Passed"`, `<test-case id="1" fullname="F.a" result="Passed"/>`), "error 1 0 0 partial"},
		"NUnit 2": {`<test-results total="3" errors="1" failures="1" not-run="1"><test-suite name="s" result="Failure" executed="True"><results>` +
			`<test-case name="a" executed="True" result="Success" success="True"/><test-case name="b" executed="True" result="Failure"><failure/></test-case>` +
			`<test-case name="c" executed="True" result="Error"/><test-case name="d" executed="False" result="Ignored"><reason/></test-case></results></test-suite></test-results>`, "failure 1 2 1"},

		"xUnit 2":                  {xunit(`total="3" failed="1" errors="0"`, `<errors/>`, `<test name="a" result="Pass"><traits/></test><test name="b" result="Fail"><failure/></test><test name="c" result="Skip"><reason/></test>`), "failure 1 1 1"},
		"xUnit 2, all passed":      {xunit(`total="1" failed="0" errors="0"`, `<errors/>`, `<test name="a" result="Pass"/>`), "success 1 0 0"},
		"xUnit 2, rows of data":    {xunit(``, ``, `<test name="a(1)" result="Pass"/><test name="a(1)" result="Fail"/>`), "failure 0 1 0"},
		"xUnit 2, the clean-up":    {xunit(`total="1" failed="0" errors="1"`, `<errors><error type="assembly-cleanup"><failure/></error></errors>`, `<test name="a" result="Pass"/>`), "failure 1 1 0"},
		"xUnit 3, not run":         {xunit(`total="2" not-run="1"`, ``, `<test id="1" name="a" result="Pass"/><test id="2" name="b" result="NotRun"/>`), "success 1 0 1"},
		"xUnit 2, only its counts": {`<assemblies><assembly name="x.dll" total="10" passed="9" failed="1"/></assemblies>`, "failure 0 1 0 partial"},
		"an assembly of Maven":     {`<assembly><id>bin</id></assembly>`, "refused"},

		"Sonar":               {`<testExecutions version="1"><file path="a.js"><testCase name="t" duration="1"/></file><file path="b.js"><testCase name="t"><failure message="x">y</failure></testCase><testCase name="u"><skipped message="z"/></testCase></file></testExecutions>`, "failure 1 1 1"},
		"Sonar, all passed":   {`<testExecutions version="1"><file path="a.js"><testCase name="t"/></file></testExecutions>`, "success 1 0 0"},
		"Sonar, what is that": {`<testExecutions version="1"><file path="a.js"><testCase name="t"/></file><shard/></testExecutions>`, "error 1 0 0 partial"},
		"Sonar, an error":     {`<unitTest version="1"><file path="a.js"><testCase name="t"><error/></testCase></file></unitTest>`, "failure 0 1 0"},
	})
}

// TestScannersAreRefused: the failures in their JUnit files are findings, and a clean file is no
// test run.
func TestScannersAreRefused(t *testing.T) {
	finding := func(class, name, failure string) string {
		return suites(suite(`name="requirements.txt" tests="1" failures="1"`, `<testcase classname="`+class+`" name="`+name+`">`+failure+`</testcase>`))
	}
	files := map[string]string{
		"Dependency-Check":           `<testsuites name="dependency-check" failures="1">` + suite(`name="/lib/a.jar" package="a.jar"`, `<testcase classname="CVE-2024-1" name="pkg:maven/a/b@1"><failure message="cvssV3: CRITICAL, score: 9.8"/></testcase>`) + `</testsuites>`,
		"its findings alone":         finding("CVE-2024-0003", "pkg:maven/a/b@1.0", `<failure message="x"/>`),
		"Trivy":                      finding("jquery-3.3.9", "[MEDIUM] CVE-2019-11358", `<failure message="t" type="description"/>`),
		"Trivy, a misconfiguration":  finding("dockerfile", "[HIGH] DS002", ``),
		"Trivy, clean":               `<testsuites name="trivy">` + suite(`name="go.mod" tests="0"`, ``) + `</testsuites>`,
		"Grype":                      `<testsuites name="grype-junit">` + suite(`name="debian:12"`, aPassed) + `</testsuites>`,
		"tfsec":                      finding("main.tf", "[aws-s3-enable-logging][HIGH] - no logging", `<failure/>`),
		"checkov, passed":            finding("/main.tf.aws_s3_bucket.b", "[NONE][CKV_AWS_18] Ensure logging", ``),
		"checkov, a secret":          finding("a.py", "[NONE][CKV_SECRET_2] AWS Access Key", `<failure/>`),
		"KICS":                       `<testsuites name="KICS 2.1.3">` + suite(`name="Terraform"`, aPassed) + `</testsuites>`,
		"severity as a type":         finding("Terraform", "S3 bucket is open: main.tf:3", `<failure type="HIGH" message="x"/>`),
		"kube-score":                 `<testsuites name="kube-score">` + suite(`name="web apps/v1/Deployment"`, aPassed) + `</testsuites>`,
		"cfn-lint":                   suites(suite(`name="CloudFormation Lint"`, aPassed)),
		"Snyk":                       suites(suite(`name="Snyk test results"`, aPassed)),
		"npm audit":                  suites(suite(`name="npm audit"`, aPassed)),
		"an advisory with a package": finding("lodash@4.17.15", "GHSA-35jh-r3h4-6jhm", `<failure message="x"/>`),
		"severity in the message":    finding("lodash", "CVE-2021-23337", `<failure message="Severity: high"/>`),
		"gosec":                      finding("", "/src/main.go", `<failure message="Found 2 vulnerabilities. See stacktrace for details."/>`),
		"gitleaks":                   suites(suite(`name="gitleaks" tests="0"`, ``)),
		"ESLint":                     suites(suite(`package="org.eslint" name="a.js"`, `<testcase name="org.eslint.no-eval"/>`)),
		"Brakeman":                   `<testsuites xmlns:brakeman="https://brakemanscanner.org/">` + suite(`name="x"`, aPassed) + `</testsuites>`,
		"Terrascan, a version":       suites(suite(`name="terrascan v1.19.9"`, aPassed)),
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			if r, err := Read([]byte(file)); !errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), "JSON or SARIF") {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	expect(t, map[string]struct{ file, want string }{ // tests that speak of scanners and of weaknesses
		"tests of Trivy itself":        {suite(`name="github.com/aquasecurity/trivy/pkg/scan"`, aPassed), "success 1 0 0"},
		"tests of a semgrep rule":      {suite(`name="semgrep rules parse"`, aPassed), "success 1 0 0"},
		"a test named by a weakness":   {suite(`name="LogTest"`, `<testcase classname="LogTest" name="CVE-2021-44228"><failure message="expected: blocked"/></testcase>`), "failure 0 1 0"},
		"a test of its package":        {suite(`name="lodash"`, `<testcase classname="lodash merge" name="resists CVE-2021-23337"/>`), "success 1 0 0"},
		"a failure of type None":       {suite(`name="x"`, `<testcase classname="c" name="a"><failure type="None"/></testcase>`), "failure 0 1 0"},
		"a suite about safety":         {suite(`name="safety checks"`, aPassed), "success 1 0 0"},
		"a test of severities":         {suite(`name="cvss"`, `<testcase classname="cvss" name="severity: high"><failure message="expected severity: high, got low" type="AssertionError"/></testcase>`), "failure 0 1 0"},
		"a test with a list in braces": {suite(`name="sort"`, `<testcase classname="sort" name="puts [HIGH] before [LOW]"/>`), "success 1 0 0"},
	})
}

// redElements are the names that look like a failure to a reader without our tables.
var redElements = []string{"failure", "error", "rerunfailure", "rerunerror"}

// naivelyRed looks for a failure in the simplest way.
func naivelyRed(text []byte) bool {
	d := xml.NewDecoder(strings.NewReader(string(text)))
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		t, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if slices.Contains(redElements, strings.ToLower(t.Name.Local)) {
			return true
		}
		for _, a := range t.Attr {
			word := strings.ToLower(a.Value)
			if a.Name.Local == "result" || a.Name.Local == "outcome" {
				if strings.HasPrefix(word, "fail") || word == "error" || word == "timeout" || word == "aborted" {
					return true
				}
			}
			if a.Name.Local == "failures" || a.Name.Local == "errors" || a.Name.Local == "failed" {
				if strings.Trim(word, "0 \t\r\n") != "" && strings.Trim(word, "0123456789") == "" {
					return true
				}
			}
		}
	}
}

// FuzzNeverGreenFromRed: however a report is changed, it is no success if it contains a failure.
func FuzzNeverGreenFromRed(f *testing.F) {
	for _, name := range []string{"pytest.xml", "gotestsum-junit.xml", "surefire.xml", "go-test.json", "go-test-panic.json"} {
		f.Add(read(f, name))
	}
	for _, seed := range []string{
		suites(suite(`failures="1"`, aPassed+aFailed), suite(`errors="0"`, bPassed)),
		`<test-run result="Failed"><test-suite><test-case id="1" fullname="a" result="Passed"/></test-suite></test-run>`,
		`<assemblies><assembly total="1"><collection><test name="a" result="Pass"/></collection></assembly></assemblies>`,
		`<TestRun xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010"><Results><UnitTestResult testName="a" outcome="Passed"/></Results></TestRun>`,
		`<testExecutions version="1"><file path="a"><testCase name="t"><skipped/></testCase></file></testExecutions>`,
		"TAP version 14\n    not ok 1 - x # TODO\n    1..1\nok 1 - a\n1..1\n",
		gotest("start p", "fail p A", "pass p B", "fail p", "start p", "pass p A", "pass p"),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := Read(file)
		if err != nil || r.Scan || r.Conclusion != "success" {
			return
		}
		if r.Failed > 0 || r.Format != "in-toto-test-result" && r.Passed == 0 || len(r.Partial) > 0 {
			t.Errorf("a success of %+v", r)
		}
		text := textOf(file)
		red := false
		switch r.Format {
		case "junit", "nunit", "xunit", "sonar-tests", "trx":
			red = naivelyRed(text)
		case "tap":
			for line := range strings.Lines(string(text)) {
				line = strings.ToLower(line)
				red = red || strings.HasPrefix(line, "not ok") && !strings.Contains(line, "todo") || strings.HasPrefix(line, "bail out!")
			}
		}
		if red {
			t.Errorf("%q is read as a success", text)
		}
	})
}

// TestSuccessThatIsStated: the conclusion of a CI system is kept, except a success that the report
// contradicts.
func TestSuccessThatIsStated(t *testing.T) {
	for name, c := range map[string]struct{ stated, file, want string }{
		"nothing is stated":          {"", suite(``, aPassed), "success"},
		"a success with a failure":   {"success", suite(``, aFailed), "failure"},
		"a success that is doubted":  {"success", suite(``, aPassed+`<testcase name="x" status="so-so"/>`), "error"},
		"a success without a test":   {"success", suite(``, aSkipped), "success"},
		"a failure of another cause": {"failure", suite(``, aPassed), "failure"},
		"a run that was cancelled":   {"cancelled", suite(``, aFailed), "cancelled"},
	} {
		v, _, err := Validation([]byte(c.file))
		if err != nil {
			t.Fatal(err)
		}
		v.Conclusion = c.stated
		if _, err := ReadValidation(v); err != nil || v.Conclusion != c.want {
			t.Errorf("%s: %s, want %s, %v", name, v.Conclusion, c.want, err)
		}
	}
}
