package cli

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// listenerAt names the process that listens at a TCP port; "" if it belongs to another user or
// is not known.
func listenerAt(port string) string {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return ""
	}
	sockets := make(map[string]bool)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		socketsAt(table, fmt.Sprintf(":%04X", n), sockets)
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*") // without the processes of other users
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !sockets[target] {
			continue
		}
		process := strings.Split(link, "/")[2]
		name, err := os.ReadFile("/proc/" + process + "/comm")
		if err == nil {
			return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), process)
		}
	}
	return ""
}

// socketsAt adds the sockets in a table that listen at a port.
func socketsAt(table, port string, sockets map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }() // it was only read
	const listens = "0A"
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if column := strings.Fields(lines.Text()); len(column) > 9 && strings.HasSuffix(column[1], port) && column[3] == listens {
			sockets["socket:["+column[9]+"]"] = true
		}
	}
}
