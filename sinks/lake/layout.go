package lake

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/changetrail/changetrail/stream"
)

// A Layout says in which folder the files of a table and a day are.
type Layout struct {
	// Source is the prefix of the names of the custom sources in Amazon Security Lake. If it is
	// empty, folders are named as Hive does.
	Source  string
	Region  string // AWS region that the events come from
	Account string // AWS account, or another name for the sender
}

var (
	sourceForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,43}$`)
	segmentForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
)

// Check reports what is wrong with a layout.
func (l Layout) Check() error {
	if l.Source == "" {
		if l.Region != "" || l.Account != "" {
			return errors.New("a region or an account is set, but no source; they belong to the layout of Security Lake")
		}
		return nil
	}
	var errs []error
	if !sourceForm.MatchString(l.Source) {
		errs = append(errs, fmt.Errorf("the source %q is not 1 to 44 letters, digits, dots, hyphens and underscores", l.Source))
	}
	for what, s := range map[string]string{"region": l.Region, "account": l.Account} {
		if !segmentForm.MatchString(s) {
			errs = append(errs, fmt.Errorf("the %s %q is not 1 to 64 letters, digits, dots, hyphens and underscores; Security Lake has one folder for each region and account", what, s))
		}
	}
	return errors.Join(errs...)
}

// folder returns the folder of a table and a day.
func (l Layout) folder(table string, day time.Time) string {
	if l.Source == "" {
		return table + "/day=" + day.Format("2006-01-02") + "/"
	}
	return fmt.Sprintf("ext/%s-%s/region=%s/accountId=%s/eventDay=%s/", l.Source, table, l.Region, l.Account, day.Format("20060102"))
}

// A span is a range of offsets of a partition of a topic, from the first up to the next one after
// the last.
type span struct {
	stream.Place
	topic       string // id of the topic: another topic of the same name has another one
	first, next int64
}

// name is the name of a file without its folder. Names of a partition sort by offset.
func (s span) name(extension string) string {
	return fmt.Sprintf("%s.%s.%d.%019d-%019d.%s", s.Topic, s.topic, s.Partition, s.first, s.next, extension)
}

var nameForm = regexp.MustCompile(`^(.+)\.([0-9a-f]{32})\.(\d{1,10})\.(\d{19})-(\d{19})\.[a-z.]+$`)

// parseName reads the name of a file; others wrote the file if it fails.
func parseName(key string) (span, bool) {
	m := nameForm.FindStringSubmatch(key[strings.LastIndexByte(key, '/')+1:])
	if m == nil {
		return span{}, false
	}
	partition, err1 := strconv.ParseInt(m[3], 10, 32)
	first, err2 := strconv.ParseInt(m[4], 10, 64)
	next, err3 := strconv.ParseInt(m[5], 10, 64)
	s := span{stream.Place{Topic: m[1], Partition: int32(partition)}, m[2], first, next}
	return s, errors.Join(err1, err2, err3) == nil && first < next
}

// A plan is the note that a group keeps while the files of a batch are being written.
type plan struct {
	next     int64
	settings string // of the writer
}

const planMark = "changetrail-lake"

func (p plan) String() string {
	return fmt.Sprintf("%s next=%d settings=%s", planMark, p.next, p.settings)
}

// parsePlan reads a note. A note that is none of ours is an error: another program uses the group.
func parsePlan(note string) (plan, error) {
	var p plan
	if note == "" {
		return p, nil
	}
	if _, err := fmt.Sscanf(note, planMark+" next=%d settings=%s", &p.next, &p.settings); err != nil || p.next < 1 {
		return plan{}, fmt.Errorf("the offset has the note %.100q, which no sink of changetrail writes; does another program use the group?", note)
	}
	return p, nil
}
