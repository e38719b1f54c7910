//go:build servers

package differential

// runners are the test runners that the tests run.
func runners() []subject {
	return []subject{pytest(), xmlrunner(), robot(), behave(), goTest(), gotestsum(), nodeTest(), jest(), mochaJUnit(), mochaXUnit(), vitest(), playwright(), bats(), ctest(), googleTest(), nextest(), surefire(), phpunit()}
}
