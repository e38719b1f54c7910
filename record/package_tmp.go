package record

import "strings"

func chosenElsewhere(o Option, done []DependencyUpdate) (want, got, name string, comparable bool) {
	base := o.Package[strings.LastIndexByte(o.Package, '/')+1:]
	for _, d := range done {
		if strings.EqualFold(d.Name, base) && d.To != "" {
			if strings.TrimPrefix(d.To, "v") != strings.TrimPrefix(o.To, "v") {
				return o.To, d.To, d.Name, true
			}
			return "", "", "", true
		}
	}
	return "", "", "", false
}
