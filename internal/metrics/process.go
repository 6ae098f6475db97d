package metrics

import (
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// Process adds what every process has, under the names that all use. started is when it was started.
func (s *Set) Process(started time.Time) {
	s.Gauge("go_goroutines", "Goroutines.", runtimeValue("/sched/goroutines:goroutines"))
	s.Gauge("go_memstats_heap_alloc_bytes", "Bytes of the heap in use, garbage that is not swept yet included.",
		runtimeValue("/memory/classes/heap/objects:bytes"))
	s.Gauge("go_memstats_sys_bytes", "Bytes that the Go runtime has from the system.",
		runtimeValue("/memory/classes/total:bytes"))
	s.CounterFunc("go_gc_cycles_total", "Garbage collections.", runtimeValue("/gc/cycles/total:gc-cycles"))
	s.CounterFunc("process_cpu_seconds_total", "Seconds of processor time used. Left out where the system does not tell.",
		cpuSeconds)
	s.Gauge("process_resident_memory_bytes", "Bytes in memory. Left out where the system does not tell.", residentMemory)
	s.Gauge("process_open_fds", "Open descriptors. Left out where the system does not tell.", openDescriptors)
	s.Gauge("process_max_fds", "How many there may be. Left out where the system does not tell.", maxDescriptors)
	s.Gauge("process_start_time_seconds", "When the process was started, in seconds since 1970.",
		func() (float64, bool) { return float64(started.UnixMilli()) / 1e3, true })
}

// runtimeValue asks for a metric of the Go runtime.
func runtimeValue(name string) func() (float64, bool) {
	return func() (float64, bool) {
		sample := []metrics.Sample{{Name: name}}
		metrics.Read(sample)
		if sample[0].Value.Kind() != metrics.KindUint64 {
			return 0, false
		}
		return float64(sample[0].Value.Uint64()), true
	}
}

// residentMemory reads the second number of Linux's list, which is in pages.
func residentMemory() (float64, bool) {
	statm, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(statm))
	if err != nil || len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseFloat(fields[1], 64)
	return pages * float64(os.Getpagesize()), err == nil
}

// openDescriptors counts what is in Linux's list, without the descriptor that reads it.
func openDescriptors() (float64, bool) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0, false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	return float64(len(names) - 1), err == nil
}
