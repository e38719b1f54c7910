package servers

import "path/filepath"

const groovyVersion = "4.0.22"

// Groovy returns the path of the Groovy program, the language of Jenkins steps; it runs with Java.
func Groovy() (jar string, err error) {
	dir, err := cached("groovy-"+groovyVersion, func(work string) error {
		return maven(emptyPOM, "copy", "-Dartifact=org.apache.groovy:groovy:"+groovyVersion, "-DoutputDirectory="+work)
	})
	return filepath.Join(dir, "groovy-"+groovyVersion+".jar"), err
}
