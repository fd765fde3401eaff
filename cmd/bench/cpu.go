package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTick is the unit of the times in /proc, which Linux fixes at a hundredth of a second for user space.
const clockTick = 10 * time.Millisecond

// cpuTimes is the CPU time that the three parties have used so far.
type cpuTimes struct{ server, postgres, generator time.Duration }

func (c cpuTimes) since(before cpuTimes) cpuTimes {
	return cpuTimes{c.server - before.server, c.postgres - before.postgres, c.generator - before.generator}
}

// readCPU reads /proc. PostgreSQL is its first process with all its children, ended ones included; 0 if there is none.
func readCPU(server, postmaster int) (c cpuTimes, err error) {
	if c.server, err = processTime(server, false); err != nil {
		return c, err
	}
	if postmaster != 0 {
		if c.postgres, err = familyTime(postmaster); err != nil {
			return c, err
		}
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return c, err
	}
	c.generator = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	return c, nil
}

// processTime is user and system time of a process, with that of its ended children if wanted.
func processTime(pid int, children bool) (time.Duration, error) {
	fields, err := statFields(pid)
	if err != nil {
		return 0, err
	}
	last := 13 // utime and stime are fields 14 and 15 of proc(5); cutime and cstime 16 and 17. The first two are cut off.
	if children {
		last = 15
	}
	var ticks int64
	for i := 11; i < last; i++ {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// statFields are the fields of /proc/PID/stat from the third on: the second may hold spaces.
func statFields(pid int) ([]string, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 15 {
		return nil, errors.New("/proc/PID/stat has too few fields")
	}
	return fields, nil
}

func familyTime(parent int) (time.Duration, error) {
	total, err := processTime(parent, true)
	if err != nil {
		return 0, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		fields, err := statFields(pid)
		if err != nil || fields[1] != strconv.Itoa(parent) {
			continue // it ended, or is somebody else's
		}
		if t, err := processTime(pid, false); err == nil {
			total += t
		}
	}
	return total, nil
}

// highWater is the most memory, in megabytes, that a process has had resident.
func highWater(pid int) float64 {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
			return kilobytes / 1024
		}
	}
	return 0
}
