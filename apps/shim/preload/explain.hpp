// A line on the standard error of the program: for what it cannot know and its errno cannot say.
#pragma once

namespace godwit::shim {

// "godwit run: SUBJECT WHAT". Neither allocates nor changes errno.
void explain(const char* subject, const char* what);

}  // namespace godwit::shim
