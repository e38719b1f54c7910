package ecosystem

import (
	"cmp"
	"regexp"
	"strings"

	apk "github.com/knqyf263/go-apk-version"
	deb "github.com/knqyf263/go-deb-version"
	rpm "github.com/knqyf263/go-rpm-version"
)

// The versions that the distributions allow.
var (
	debianVersion = regexp.MustCompile(`^(\d+:)?\d[0-9A-Za-z.+~:-]*$`)                                                                           // deb-version(7)
	rpmVersion    = regexp.MustCompile(`^(\d+:)?[0-9A-Za-z._+~^]+(-[0-9A-Za-z._+~^]+)?$`)                                                        // rpm-version(7)
	alpineVersion = regexp.MustCompile(`^(\d+(?:\.\d+)*(?:[a-z]\d*)?(?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)\d*)*)(~[0-9a-f]+)?((?:-r\d+)?)$`) // apk-package(5)
)

// longNumber matches a number that overflows the 64 bits of the libraries.
var longNumber = regexp.MustCompile(`[0-9]{19}`)

func compareDebian(a, b string) (int, bool) {
	if !debianVersion.MatchString(a) || !debianVersion.MatchString(b) || longNumber.MatchString(a) || longNumber.MatchString(b) {
		return 0, false
	}
	v, errA := deb.NewVersion(a)
	w, errB := deb.NewVersion(b)
	if errA != nil || errB != nil {
		return 0, false
	}
	return cmp.Compare(v.Compare(w), 0), true
}

func compareRPM(a, b string) (int, bool) {
	if !rpmVersion.MatchString(a) || !rpmVersion.MatchString(b) || longNumber.MatchString(epoch(a)) || longNumber.MatchString(epoch(b)) {
		return 0, false
	}
	return cmp.Compare(rpm.NewVersion(a).Compare(rpm.NewVersion(b)), 0), true
}

func epoch(v string) string {
	e, _, _ := strings.Cut(v, ":")
	return e
}

// compareAlpine ignores the commit after a tilde, like apk: two commits have no order.
func compareAlpine(a, b string) (int, bool) {
	x, y := alpineVersion.FindStringSubmatch(a), alpineVersion.FindStringSubmatch(b)
	if x == nil || y == nil || longNumber.MatchString(a) || longNumber.MatchString(b) {
		return 0, false
	}
	v, errA := apk.NewVersion(x[1] + x[3])
	w, errB := apk.NewVersion(y[1] + y[3])
	if errA != nil || errB != nil {
		return 0, false
	}
	return cmp.Compare(v.Compare(w), 0), true
}
