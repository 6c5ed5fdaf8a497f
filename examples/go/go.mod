module cvae

go 1.19
