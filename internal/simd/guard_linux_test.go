package simd

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"unsafe"
)

// betweenGuards returns memory of n pages between two pages that nobody can read or write: what touches a byte before
// or behind it dies.
func betweenGuards(t *testing.T, n int) []byte {
	t.Helper()
	page := syscall.Getpagesize()
	all, err := syscall.Mmap(-1, 0, (n+2)*page, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(all); err != nil {
			t.Error(err)
		}
	})
	for _, guard := range [][]byte{all[:page], all[(n+1)*page:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return all[page : (n+1)*page : (n+1)*page]
}

// atGuards calls f with slices of each length that end, or begin, at a guard.
func atGuards(t *testing.T, f func(t *testing.T, p []byte)) {
	room := betweenGuards(t, 1)
	long := betweenGuards(t, 2*maxRun/len(room))
	atEveryLevel(t, func(t *testing.T) {
		for n := range 257 {
			f(t, room[len(room)-n:])
			f(t, room[:n:n])
		}
		f(t, room)
		for n := 0; n < 130; n += 43 { // no two alike in the block
			f(t, long[n:])
			f(t, long[:len(long)-n])
		}
	})
}

func TestMaskStaysInBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 3))
	atGuards(t, func(t *testing.T, p []byte) {
		checkMask(t, p, 0, len(p), rng.Uint32())
	})
}

func TestMaskToStaysInBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 3))
	other := make([]byte, 2*maxRun)
	dst := betweenGuards(t, 2*maxRun/syscall.Getpagesize())
	atGuards(t, func(t *testing.T, p []byte) {
		checkMaskTo(t, other[:len(p)], p, rng.Uint32())
		checkMaskTo(t, p, other[:len(p)], rng.Uint32())
		checkMaskTo(t, dst[len(dst)-len(p):], p, rng.Uint32())
	})
}

func TestSoundToStaysInBounds(t *testing.T) {
	for _, text := range texts {
		atGuards(t, func(t *testing.T, p []byte) {
			for i := copy(p, repeated(text.unit, len(p))); i < len(p); i++ {
				p[i] = '.' // no whole character has room
			}
			checkSoundTo(t, p)
			if len(p) > 0 {
				p[len(p)/2] ^= 0x80
				checkSoundTo(t, p)
			}
		})
	}
}

// The guards must do what the tests above rely on.
func TestGuardsAreUnreadable(t *testing.T) {
	page := betweenGuards(t, 1)
	for name, p := range map[string]unsafe.Pointer{
		"before": unsafe.Add(unsafe.Pointer(&page[0]), -1),
		"behind": unsafe.Add(unsafe.Pointer(&page[0]), len(page)),
	} {
		// The kernel refuses to read from there for a write, with an error instead of a signal.
		if readable(p) {
			t.Errorf("the byte %s can be read", name)
		}
	}
}

// readable asks the system to write the byte at p into a pipe.
func readable(p unsafe.Pointer) bool {
	var ends [2]int
	if syscall.Pipe2(ends[:], syscall.O_CLOEXEC) != nil {
		return false
	}
	defer syscall.Close(ends[0])
	defer syscall.Close(ends[1])
	_, _, errno := syscall.Syscall(syscall.SYS_WRITE, uintptr(ends[1]), uintptr(p), 1)
	return errno == 0
}
