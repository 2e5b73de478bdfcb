package kasa

// ReadDatagram is for the fuzzer.
func ReadDatagram(datagram []byte) (info Info, klap, ok bool) {
	h, ok := readDatagram(datagram)
	return h.info, h.klap, ok
}
