// A library that has nothing to do with Headrace.
extern "C" int bare() { return 0; }
