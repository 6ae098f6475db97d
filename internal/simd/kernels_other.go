//go:build purego || !(amd64 || arm64)

package simd

func detect() level { return portable }

// levels lists what this machine can do, for tests.
func levels() []level { return []level{portable} }

func maskKernel(dst, src []byte, key uint32) { maskPortable(dst, src, key) }

func utf8Unit(int) int { return 0 }

func utf8Kernel([]byte, int) int { return 0 }
